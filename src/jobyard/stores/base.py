"""The promises of a store of jobs. Every backend passes `tests/contracts/test_store.py`.

Each method is one short transaction. What it has returned survives a crash of the process and a power cut.
Two writers never both win: a change names the version it was made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from jobyard.domain.job import Job, JobId
from jobyard.domain.resources import Request
from jobyard.domain.state import Standing, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Which jobs a caller may see. It is part of every query, so counts and pages never tell of others."""

    owner: str | None = None
    """None: everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All conditions must hold. Newest first."""

    visible: Visibility
    limit: int
    before: int | None = None
    """Only jobs with a smaller number: the keyset of the next page."""
    standings: frozenset[Standing] | None = None
    name_prefix: str = ""
    """Literal and case-sensitive."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Keys the job must have; an empty value matches any."""


class Brief(NamedTuple):
    """As much of a job as an overview needs: one index entry."""

    number: int
    id: JobId
    standing: Standing


class Waiting(NamedTuple):
    """As much of a queued job as the queue needs."""

    number: int
    id: JobId
    request: Request
    not_before: datetime | None


class ChangeKind(StrEnum):
    CREATED = "created"
    WANTED = "wanted"
    MOVED = "moved"


class Change(NamedTuple):
    """One row of a job's story."""

    sequence: int
    id: JobId
    kind: ChangeKind
    state: State
    at: datetime


class Lease(NamedTuple):
    """The right to act on a named thing until it expires. A higher fence is a later holder."""

    name: str
    holder: str
    fence: int


class Once(NamedTuple):
    """A caller's promise that requests with this key are one request (header `Idempotency-Key`)."""

    owner: str
    key: str
    digest: str
    """Of the request, so that the same key with another request is told apart."""


class JobStore(Protocol):
    async def create(self, job: Job, *, once: Once | None = None) -> Job:
        """Keep a new job and give it its number. Readable and listed, by anyone, once this returns.

        With `once` seen before: the job it made then. Raises `Conflict` if it then came with another digest.
        """
        ...

    async def get(self, id: JobId, visible: Visibility) -> Job:
        """Raises `NotFound`, also where it is not visible."""
        ...

    async def standing(self, id: JobId, visible: Visibility) -> Standing:
        """As cheap as a read can be, for those who poll. Raises `NotFound`."""
        ...

    async def list(self, query: Query) -> Sequence[Job]: ...

    async def list_briefs(self, query: Query) -> Sequence[Brief]: ...

    async def want_cancel(self, id: JobId, visible: Visibility, *, at: datetime) -> bool:
        """Write that the job is to be canceled. True if this call wrote it; False if it was written or
        terminal already. Raises `NotFound`.
        """
        ...

    async def save(self, was: Job, *steps: Job, at: datetime, lease: Lease) -> Job:
        """Replace `was` by the last of `steps` and write a `Change` for every state on the way.

        Raises `Conflict` if the stored version is no longer that of `was`, `Fenced` if `lease` is lost;
        nothing is written then. Only state, attempts and `not_before` may differ.
        """
        ...

    async def waiting(self, after: int, limit: int) -> Sequence[Waiting]:
        """Queued jobs with a larger number, lowest first."""
        ...

    async def on_backend(self) -> Sequence[Job]:
        """Jobs of which something may exist on an executor."""
        ...

    async def count(self) -> Mapping[State, int]:
        """How many jobs are in each state, for the operators."""
        ...

    async def last_change(self) -> int:
        """The sequence of the newest change, 0 if there is none."""
        ...

    async def changes(self, after: int, limit: int) -> Sequence[Change]:
        """What happened since, in the order of commit; none is ever skipped."""
        ...

    async def changed(self, timeout: timedelta) -> None:
        """Return soon after another process wrote something, or after `timeout`; sometimes for nothing."""
        ...

    async def acquire(self, name: str, holder: str, ttl: timedelta, *, at: datetime) -> Lease | None:
        """Take or renew a lease until `at + ttl`. None while somebody else holds it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back. Silent if it is lost."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` if the store cannot be used now."""
        ...

    async def close(self) -> None: ...
