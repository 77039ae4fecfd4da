"""One job, whichever API it came in by."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NewType

from jobyard.domain.errors import Conflict
from jobyard.domain.files import StoredOutput
from jobyard.domain.state import MOVES, Standing, State, Wanted
from jobyard.domain.work import Work

JobId = NewType("JobId", str)
"""URL-safe, sortable by time of creation; without `/` and `:`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLog:
    """How one command of an attempt went. Streams hold a tail, cut to a configured number of bytes."""

    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    """None while it runs."""
    stdout: str | None = None
    stderr: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at the work; a retry adds another."""

    number: int  # from 1
    started: datetime | None = None
    ended: datetime | None = None
    commands: tuple[CommandLog, ...] = ()
    """In order; only of commands that have started."""
    outputs: tuple[StoredOutput, ...] = ()
    system_log: tuple[str, ...] = ()
    """Lines for people: what the system did, and what went wrong."""
    metadata: dict[str, str] = field(default_factory=dict)
    backend: str | None = None
    """The name of the executor that runs it."""
    handle: str | None = None
    """What that executor calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Immutable: a change is a new value, kept only if the store's compare-and-set lets it."""

    id: JobId
    api: str
    """The protocol that it came in by: "tes"."""
    owner: str
    work: Work
    created: datetime
    number: int = 0
    """Assigned by the store, rising in the order of creation; 0 until stored."""
    version: int = 0
    """Rises with every stored change."""
    state: State = State.QUEUED
    wanted: Wanted = Wanted.RUN
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None
    time_limit: timedelta | None = None
    """Longest running time of an attempt's commands together; None is no limit."""
    max_attempts: int = 1
    attempts: tuple[Attempt, ...] = (Attempt(number=1),)
    not_before: datetime | None = None
    """While queued for another attempt: when it may start."""

    @property
    def standing(self) -> Standing:
        return Standing(self.state, self.wanted)

    @property
    def attempt(self) -> Attempt:
        """The latest one."""
        return self.attempts[-1]

    def move(self, to: State) -> "Job":
        """The job in another state. Raises `Conflict` for a move that the table does not have."""
        if to not in MOVES[self.state]:
            raise Conflict(f"job {self.id} is {self.state} and cannot become {to}")
        return replace(self, state=to)

    def with_attempt(self, attempt: Attempt) -> "Job":
        """The job with its latest attempt replaced."""
        return replace(self, attempts=(*self.attempts[:-1], attempt))

    def noted(self, *lines: str) -> "Job":
        """The job with lines added to the system log of its latest attempt."""
        return self.with_attempt(replace(self.attempt, system_log=(*self.attempt.system_log, *lines)))
