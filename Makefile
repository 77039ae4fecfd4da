# Jobyard's commands; `make` alone lists them.
# Needed: git, GNU make and a Python of at least 3.11 with its venv module. Nothing is installed outside this tree.

UV_VERSION := 0.13.9
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)

BIN := .venv/bin
UV := .uv/bin/uv
UV_READY := .uv/ready-$(UV_VERSION)
SYNCED := .venv/.synced

# This project's environment is .venv here, whatever the user's own settings for other projects say.
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

# $(call step,NAME,COMMAND): run it, and say how long it took.
define step
@printf '\n== %s\n' '$(1)'; begin=$$(date +%s); \
if $(2); then printf '== %s: ok, %s s\n' '$(1)' $$(($$(date +%s) - begin)); \
else printf '== %s: FAILED after %s s\n' '$(1)' $$(($$(date +%s) - begin)) >&2; exit 1; fi
endef

.DEFAULT_GOAL := help
.PHONY: help setup check test demo bench faults docs docs-reference clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

setup: $(SYNCED) ## Make .venv with everything that is needed (only what changed is done again)
	@echo 'Ready: $(BIN)/jobyard'

check: $(SYNCED) ## Fast checks: lint, format, types, import contracts, fast tests
	$(call step,ruff check,$(BIN)/ruff check)
	$(call step,ruff format,$(BIN)/ruff format --check)
	$(call step,mypy,$(BIN)/mypy && $(BIN)/mypy bench examples faults)
	$(call step,lint-imports,$(BIN)/lint-imports)
	$(call step,fast tests,$(BIN)/pytest -q -n auto -m 'not slow')

test: $(SYNCED) ## All tests, with real servers and tools (minutes)
	$(call step,all tests,$(BIN)/pytest --durations=10)

demo: $(SYNCED) ## Serve, run a real task, show it, stay up until Ctrl-C (CHECK=1: verify the result and stop)
	@$(BIN)/python examples/demo.py $(if $(filter-out 0 no false,$(CHECK)),--check)

bench: $(SYNCED) ## Measure a served instance (ONLY=create,get,... for some parts; FULL=1 adds 10^6 stored tasks)
	@$(BIN)/python bench/run.py $(if $(ONLY),--only $(ONLY)) $(if $(filter-out 0 no false,$(FULL)),--full)

faults: $(SYNCED) ## Kill processes of a busy instance at random, then look for what is lost or done twice (ARGS='--seed 1 --tasks 500')
	@$(BIN)/python -m faults $(ARGS)

docs: $(SYNCED) ## Build the documentation site into site/, with warnings as errors
	$(call step,docs,$(BIN)/mkdocs build --strict)

docs-reference: $(SYNCED) ## Write the generated pages of the documentation again
	$(BIN)/python -m jobyard.cli.reference

clean: ## Remove everything that these targets made
	rm -rf .venv .uv .demo site dist build bench/results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests examples bench faults migrations -name __pycache__ -prune -exec rm -rf {} +

$(SYNCED): $(UV_READY) pyproject.toml uv.lock
	$(UV) sync --locked --all-groups --compile-bytecode --python .uv/bin/python
	@touch $@

$(UV_READY):
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found="$${found:-$$candidate}"; \
	    if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python="$$candidate"; break; fi; \
	  fi; \
	done; \
	if [ -z "$$python" ] && [ -n "$$found" ]; then \
	  echo "make setup: $$found has no venv module; on Debian and Ubuntu, install python3-venv" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
	  echo 'make setup: no Python of at least 3.11 among: $(CANDIDATES)' >&2; \
	  echo 'Install one, or name it: make setup PYTHON=/path/to/python3.11' >&2; exit 1; \
	fi; \
	echo "Using $$("$$python" --version) ($$(command -v "$$python"))"; \
	"$$python" -m venv --clear .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
