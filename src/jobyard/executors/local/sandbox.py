"""How a job sees its files at their own paths: what is prepared in its view, and how each command is run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from shlex import join, quote
from typing import Protocol

from jobyard.domain.errors import Failure
from jobyard.domain.work import Command
from jobyard.executors.base import Spec
from jobyard.executors.local import bubblewrap, mapping
from jobyard.executors.local.containers import (
    Container,
    ContainerOptions,
    Dialect,
    container_names,
    container_step,
    mounts,
)
from jobyard.executors.local.places import TMP, Places, places
from jobyard.executors.local.script import Step, exports, program, split

VIEW = "JOBYARD_VIEW"
"""Set for every command: what to put before a path of the job's to find it from where the command runs."""

_RESERVED = ("/dev", "/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    steps: tuple[Step, ...]
    directories: tuple[str, ...]
    """To be made in the view, parents first."""
    links: Mapping[str, str] = field(default_factory=dict)
    """To be made in the view."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """To be written beside the script."""
    empty: tuple[str, ...] = ()
    """Files to be made in the view where there are none."""
    notes: tuple[str, ...] = ()
    """For people."""


class Sandbox(Protocol):
    def plan(self, spec: Spec, view: str) -> Plan:
        """Raises `Failure` for paths that cannot be given to a job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """`Sandbox` by rewriting paths: nothing is needed, and nothing is kept from the job."""

    base: Mapping[str, str]
    """Environment of every command."""
    tail: str
    log_tail: int

    def plan(self, spec: Spec, view: str) -> Plan:
        work = spec.work
        declared = places(work).settled(os.path.lexists)
        rewrite = mapping.rewriter(mapping.mapped_paths(declared, os.path.lexists), view)
        base = {**self.base, "HOME": view + TMP, "TMPDIR": view + TMP, VIEW: view}
        commands = (mapping.rewritten(command, rewrite) for command in work.commands)
        # Without a working directory, it is where `/` of the job is; never the attempt's own directory.
        placed = (replace(command, workdir=command.workdir or view) for command in commands)
        steps = [self._step(command, base) for command in placed]
        return Plan(steps=tuple(steps), directories=_directories(declared))

    def _step(self, command: Command, base: Mapping[str, str]) -> Step:
        env, before = split({**base, **(command.env or {})})
        run = program(command, tail=self.tail, log_tail=self.log_tail)
        text = f"{exports(env)}set -- {join((*before, *command.argv))}\n{run}"
        return Step(text=text, ignore_error=bool(command.ignore_error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """`Sandbox` by bwrap(1)."""

    bwrap: str
    """Path of the program."""
    data: str
    """The server's own directory, as a path without links."""
    base: Mapping[str, str]
    tail: str
    log_tail: int
    host: bubblewrap.Host = field(default_factory=bubblewrap.ThisHost)

    def plan(self, spec: Spec, view: str) -> Plan:
        work = spec.work
        declared = places(work).settled(os.path.lexists)
        _refuse_reserved(declared)
        seen = bubblewrap.plan(declared, self.host, data=self.data)
        base = {**self.base, "HOME": TMP, "TMPDIR": TMP, VIEW: ""}
        capable = os.geteuid() == 0
        files = {}
        for number, command in enumerate(work.commands, start=1):
            env, _ = split({**base, **(command.env or {})})
            words = bubblewrap.options(seen, view, env, capable=capable)
            files[f"{number}.args"] = b"".join(os.fsencode(word) + b"\0" for word in words)
        return Plan(
            steps=tuple(self._step(number, command) for number, command in enumerate(work.commands, start=1)),
            directories=_directories(declared),
            links=seen.links,
            files=files,
            notes=tuple(f"the host's files in {path} are hidden: too many" for path in seen.crowded),
        )

    def _step(self, number: int, command: Command) -> Step:
        run = program(command, tail=self.tail, log_tail=self.log_tail)
        _, before = split(command.env or {})
        words = join((*before, *command.argv))
        text = f"exec {quote(self.bwrap)} --args 9 /bin/sh -c {quote(run)} sh {words} 9<{number}.args"
        return Step(text=text, ignore_error=bool(command.ignore_error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """`Sandbox` by a container engine: a container for each command."""

    program: str
    """Path of the engine's."""
    dialect: Dialect
    options: ContainerOptions
    user: str
    installation: str
    """Of which service the containers are."""
    tail: str
    log_tail: int

    def plan(self, spec: Spec, view: str) -> Plan:
        work = spec.work
        declared = places(work)
        bound = mounts(declared)
        inside = replace(
            declared, directories=declared.directories | set(filter(bound.hold, declared.workdirs))
        )
        common = Container(
            name="",
            labels={"jobyard.installation": self.installation, "jobyard.attempt": spec.key},
            user=self.user,
            view=view,
            mounts=bound,
            env={"HOME": TMP, "TMPDIR": TMP, VIEW: ""},
            amount=spec.amount,
            options=self.options,
        )
        names = container_names(spec.key, len(work.commands))
        tail = join((self.tail, "-c", str(self.log_tail)))
        steps = (
            container_step(self.program, self.dialect, replace(common, name=name), command, tail=tail)
            for name, command in zip(names, work.commands, strict=True)
        )
        return Plan(steps=tuple(steps), directories=_directories(inside), empty=bound.files)


def _directories(declared: Places) -> tuple[str, ...]:
    return tuple(sorted(declared.made - {"/"}))


def _refuse_reserved(declared: Places) -> None:
    for path in sorted(declared.directories | declared.files):
        if any(path == place or path.startswith(f"{place}/") for place in _RESERVED):
            raise Failure(f"{path}: a job cannot have files of its own in {', '.join(_RESERVED)}")
