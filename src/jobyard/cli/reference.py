"""The reference pages, made from the program itself: `python -m jobyard.cli.reference [DIRECTORY]`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from jobyard.cli.errors import EXIT_CODES
from jobyard.cli.main import app
from jobyard.cli.settings_text import reference as settings_reference

_WIDTH = 100

_HEAD = """\
<!-- Made by `make docs-reference` from src/jobyard/cli: change it there. -->

# Command line

`submit`, `run`, `list`, `get`, `logs`, `wait` and `cancel` speak to any GA4GH TES server: the one that
`--server` or `JOBYARD_SERVER` names, with or without the path of its API. A bearer token is taken from
`JOBYARD_TOKEN`. The other commands run and look after a service on this machine.

On a terminal there are tables and progress; in a pipe there are plain lines with tabs between the fields,
and with `--json` one JSON document. `NO_COLOR` is honoured. What tasks put into names and output cannot act
on the terminal: control characters are written out. With `JOBYARD_DEBUG=1`, errors say where in the program
they come from.

`jobyard --install-completion` completes commands, options and task states in bash, zsh, fish and PowerShell.

## Exit codes

`run` ends with the exit code of the job's last command, where the commands decided how the job ended (255 for
a code outside 0 to 255).

| Code | Meaning |
| --- | --- |
"""


def pages() -> Mapping[str, str]:
    """Each page by its file name."""
    return {"settings.md": settings_reference(), "cli.md": cli_reference()}


def cli_reference() -> str:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return _HEAD + codes + "".join(_sections(command, "jobyard"))


def _sections(command: TyperGroup, path: str) -> Iterator[str]:
    for name, child in command.commands.items():
        full = f"{path} {name}"
        if isinstance(child, TyperGroup):
            yield from _sections(child, full)
        elif isinstance(child, TyperCommand):
            context = child.context_class(
                child, info_name=full, terminal_width=_WIDTH, help_option_names=["-h", "--help"]
            )
            yield f"\n## {full}\n\n```text\n{child.get_help(context)}\n```\n"


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
