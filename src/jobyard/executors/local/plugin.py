"""The door to this executor."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import structlog

from jobyard.domain.errors import Invalid
from jobyard.domain.resources import GB, Amount
from jobyard.executors.base import Executor
from jobyard.executors.local import host
from jobyard.executors.local.attempt import Means
from jobyard.executors.local.executor import LocalExecutor
from jobyard.executors.local.sandbox import Bubblewrap, Plain, Sandbox
from jobyard.executors.local.stager import Stager

_log = structlog.stdlib.get_logger(__name__)

_PROBE_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """As in the section `[local]` of the settings, which says what each means."""

    runtime: Literal["auto", "process"] = "auto"
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    cores: int = 0
    memory_gb: float = 0
    disk_gb: float = 0
    default_cores: int = 1
    default_memory_gb: float = 0.5
    default_disk_gb: float = 0.1
    log_tail: int = 10_000
    kill_grace: timedelta = timedelta(seconds=10)


def open_executor(options: LocalOptions, *, data: Path, stager: Stager) -> Executor:
    """Keeps its files in `data/attempts`. Raises `Invalid` if a demanded sandbox does not work."""
    data.mkdir(parents=True, exist_ok=True)
    data = data.resolve()
    attempts = data / "attempts"
    attempts.mkdir(mode=0o700, exist_ok=True)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", "C.UTF-8")}
    means = Means(
        sandbox=_sandbox(options, data, environment),
        stager=stager,
        environment=environment,
        log_tail=options.log_tail,
        kill_grace=options.kill_grace,
        hostname=host.name(),
    )
    return LocalExecutor(
        attempts,
        means,
        containers=options.runtime == "auto",
        capacity=host.capacity(
            data, cores=options.cores, memory_gb=options.memory_gb, disk_gb=options.disk_gb
        ),
        default=Amount(
            cores=options.default_cores,
            memory=int(options.default_memory_gb * GB),
            disk=int(options.default_disk_gb * GB),
        ),
        storage=stager.storage,
    )


def _sandbox(options: LocalOptions, data: Path, environment: dict[str, str]) -> Sandbox:
    tail = shutil.which("tail") or "/usr/bin/tail"
    plain = Plain(base=environment, tail=tail, log_tail=options.log_tail)
    if options.sandbox == "none":
        return plain
    bwrap = shutil.which("bwrap")
    trouble = _probe(bwrap) if bwrap else "bwrap is not installed"
    if bwrap and not trouble:
        return Bubblewrap(
            bwrap=bwrap, data=os.fspath(data), base=environment, tail=tail, log_tail=options.log_tail
        )
    if options.sandbox == "bubblewrap":
        raise Invalid(f'[local] sandbox = "bubblewrap" does not work here: {trouble}')
    if bwrap:
        _log.warning("bubblewrap does not work here; paths are rewritten instead", reason=trouble)
    return plain


def _probe(bwrap: str) -> str:
    """What keeps bubblewrap from working on this host; empty if nothing."""
    words = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "/bin/true"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            words, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""
