"""The door to this executor."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal

import structlog

from jobyard.domain.errors import Invalid
from jobyard.domain.resources import GB, Amount
from jobyard.executors.base import Executor
from jobyard.executors.local import host
from jobyard.executors.local.attempt import Means
from jobyard.executors.local.containers import DOCKER, PODMAN, ContainerOptions, Dialect
from jobyard.executors.local.engines import Engine, default_user, engine_environment, probe
from jobyard.executors.local.executor import LocalExecutor
from jobyard.executors.local.sandbox import Bubblewrap, Containers, Plain, Sandbox
from jobyard.executors.local.stager import Stager

_log = structlog.stdlib.get_logger(__name__)

_PROBE_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """As in the section `[local]` of the settings, which says what each means."""

    runtime: Literal["auto", "podman", "docker", "process"] = "auto"
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    cores: int = 0
    memory_gb: float = 0
    disk_gb: float = 0
    default_cores: int = 1
    default_memory_gb: float = 0.5
    default_disk_gb: float = 0.1
    log_tail: int = 10_000
    kill_grace: timedelta = timedelta(seconds=10)
    containers: ContainerOptions = field(default_factory=ContainerOptions)


def open_executor(options: LocalOptions, *, data: Path, stager: Stager) -> Executor:
    """Keeps its files in `data/attempts`. Raises `Invalid` if a demanded engine or sandbox does not work."""
    data.mkdir(parents=True, exist_ok=True)
    data = data.resolve()
    attempts = data / "attempts"
    attempts.mkdir(mode=0o700, exist_ok=True)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", "C.UTF-8")}
    engine = _engine(options)
    means = Means(
        sandbox=_containers(options, engine, data) if engine else _sandbox(options, data, environment),
        engine=engine,
        stager=stager,
        environment=engine.environment if engine else environment,
        log_tail=options.log_tail,
        kill_grace=options.kill_grace,
        hostname=host.name(),
    )
    return LocalExecutor(
        attempts,
        means,
        engine_missing=options.runtime == "auto" and engine is None,
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


def engine_found(runtime: Literal["auto", "podman", "docker"]) -> tuple[str, Dialect]:
    """The program of an engine that works here. Raises `Invalid` with what keeps each from it."""
    troubles = []
    for dialect in (PODMAN, DOCKER):
        if runtime in {"auto", dialect.name}:
            program = shutil.which(dialect.name)
            trouble = probe(program) if program else "not installed"
            if program and not trouble:
                return program, dialect
            troubles.append(f"{dialect.name}: {trouble}")
    raise Invalid("; ".join(troubles))


def _engine(options: LocalOptions) -> Engine | None:
    """None: commands run as processes, or, for `auto`, not at all."""
    if options.runtime == "process":
        return None
    try:
        program, dialect = engine_found(options.runtime)
    except Invalid as error:
        if options.runtime == "auto":
            return None
        raise Invalid(f'[local] runtime = "{options.runtime}" does not work here: {error}') from error
    environment = engine_environment(os.environ)
    return Engine(program=program, dialect=dialect, environment=environment, pull=options.containers.pull)


def _containers(options: LocalOptions, engine: Engine, data: Path) -> Sandbox:
    return Containers(
        program=engine.program,
        dialect=engine.dialect,
        options=options.containers,
        user=options.containers.user or default_user(engine.dialect),
        installation=sha256(os.fsencode(data)).hexdigest()[:12],
        tail=shutil.which("tail") or "/usr/bin/tail",
        log_tail=options.log_tail,
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
