"""The promises of an executor. Every backend passes `tests/contracts/test_executor.py`.

An executor runs a whole attempt: it brings the inputs, runs the commands in order, stores the outputs.
It knows nothing of users, protocols or stores of jobs. The engine asks and records; it never needs to know
which executor it talks to.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

from jobyard.domain.files import StoredOutput
from jobyard.domain.job import CommandLog, JobId
from jobyard.domain.resources import Amount
from jobyard.domain.work import Work

Handle = NewType("Handle", str)


def attempt_key(job: JobId, attempt: int) -> str:
    """Names an attempt everywhere: directories, pods, scheduler jobs."""
    return f"{job}.{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One attempt at a job's work."""

    job: JobId
    attempt: int
    work: Work
    amount: Amount
    """What the attempt may use; defaults are filled in."""
    time_limit: timedelta | None = None
    """The executor ends the commands after this long; outputs are still stored."""

    @property
    def key(self) -> str:
        return attempt_key(self.job, self.attempt)


class Phase(StrEnum):
    GONE = "gone"
    """The executor does not know it (any more): never started, or cleaned up."""
    STARTING = "starting"
    """Waits on the backend, or its inputs are on their way."""
    RUNNING = "running"
    """At least one command has started and not all have ended."""
    FINALIZING = "finalizing"
    """The commands have ended; outputs are on their way."""
    ENDED = "ended"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    """All commands succeeded or were excused, and the outputs are durable."""
    FAILED = "failed"
    """A command ended with a non-zero exit code. A failed upload does not hide this."""
    ERRORED = "errored"
    """The system's fault; `Observation.passing` says whether another attempt may go better."""
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An attempt as it is now. Everything that is known so far is in it, every time."""

    phase: Phase
    outcome: Outcome | None = None
    """Set when `phase` is ENDED."""
    passing: bool = False
    started: datetime | None = None
    """When the executor took it up (inputs on their way)."""
    ended: datetime | None = None
    commands: tuple[CommandLog, ...] = ()
    """Streams hold the tail: live while a command runs, final when it has ended."""
    outputs: tuple[StoredOutput, ...] = ()
    system_log: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


class Executor(Protocol):
    name: str
    """Shown to users, and in the configuration."""
    capacity: Amount | None
    """What may run at once, all attempts together. None: the backend has a queue of its own."""
    default: Amount
    """What an attempt gets where its work asks for nothing."""
    storage: tuple[str, ...]
    """URL prefixes that inputs and outputs may have, for people to read: `file:///data/`, `https://`."""

    async def held(self) -> Collection[Handle]:
        """Every attempt of which anything is left on the backend, whichever process started it."""
        ...

    async def start(self, spec: Spec) -> Handle:
        """Start it once: called again for the same `spec.key`, in this process or a later one, it returns
        the same handle and takes the attempt up where it was. After an exception nothing was started that
        the next call would not find. Raises `Failure`.
        """
        ...

    async def find(self, keys: Collection[str]) -> Mapping[str, Handle]:
        """Which of these attempts (`Spec.key`) were started, be it by an earlier process; the others were
        not. What is found is taken up again, as `start` would, but nothing is begun that a cancel before
        this call forbids. Only what was started or found here is observed; all else is GONE.
        """
        ...

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at many in one call. Raises `Unavailable` if the backend cannot be asked: no attempt is
        judged by that.
        """
        ...

    async def cancel(self, handle: Handle) -> None:
        """Ask for the end: TERM, then KILL after the grace time. Its outcome will be CANCELED; nothing is
        uploaded. Silent when it has ended or is gone.
        """
        ...

    async def clean(self, handle: Handle) -> None:
        """Remove every trace on the backend. Silent when there is none."""
        ...

    async def changed(self) -> Collection[Handle]:
        """Wait until attempts changed phase (or a command ended), and name them. May wait for ever."""
        ...

    async def close(self) -> None:
        """Let go. What runs goes on running."""
        ...
