"""What users can do with jobs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from jobyard.domain.job import Attempt, Job, JobId
from jobyard.domain.people import Principal
from jobyard.domain.state import Standing
from jobyard.domain.work import Work
from jobyard.services.access import visible_to
from jobyard.stores.base import Brief, JobStore, Once, Query

Clock = Callable[[], datetime]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, whose order is that of the numbers."""


def new_id(random: Random) -> JobId:
    """26 characters that sort by time: a ULID (48 bits of milliseconds, 80 of chance), in lower case."""
    value = time.time_ns() // 1_000_000 << 80 | random.getrandbits(80)
    return JobId("".join([_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job as a caller asks for it."""

    api: str
    work: Work
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None
    time_limit: timedelta | None = None
    max_attempts: int | None = None
    warnings: Sequence[str] = ()
    """What was accepted and not honoured; kept in the job's system log."""
    once: tuple[str, str] | None = None
    """Key and digest of a request that may be repeated and must run once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which jobs to list; `before` is the number of the last job of the page before."""

    limit: int
    before: int | None = None
    standings: frozenset[Standing] | None = None
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Jobs:
    """Create, look at, list and cancel jobs. A request only writes what is wanted; the engine does it."""

    def __init__(
        self, store: JobStore, *, clock: Clock, max_runtime: timedelta | None, max_attempts: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._max_runtime = max_runtime
        self._max_attempts = max_attempts
        self._random = Random()  # noqa: S311 (an id is a name, not a secret; seeded by the system)

    async def create(self, who: Principal, draft: Draft) -> Job:
        """Keep a new job, queued. Raises `Conflict` for a repeated key with another request."""
        job = Job(
            id=new_id(self._random),
            api=draft.api,
            owner=who.subject,
            work=draft.work,
            created=self._clock(),
            name=draft.name,
            description=draft.description,
            tags=draft.tags,
            time_limit=_shortest(draft.time_limit, self._max_runtime),
            max_attempts=draft.max_attempts or self._max_attempts,
            attempts=(Attempt(number=1, system_log=tuple(draft.warnings)),),
        )
        once = Once(who.subject, *draft.once) if draft.once else None
        return await self._store.create(job, once=once)

    async def get(self, who: Principal, id: JobId) -> Job:
        """Raises `NotFound`."""
        return await self._store.get(id, visible_to(who))

    async def standing(self, who: Principal, id: JobId) -> Standing:
        """For those who poll. Raises `NotFound`."""
        return await self._store.standing(id, visible_to(who))

    async def list(self, who: Principal, listing: Listing) -> Sequence[Job]:
        """Newest first; at most `limit`."""
        return await self._store.list(_query(who, listing))

    async def list_briefs(self, who: Principal, listing: Listing) -> Sequence[Brief]:
        """Newest first; at most `limit`."""
        return await self._store.list_briefs(_query(who, listing))

    async def cancel(self, who: Principal, id: JobId) -> None:
        """Ask for the end of a job; durable once this returns. Raises `NotFound`."""
        await self._store.want_cancel(id, visible_to(who), at=self._clock())


def _query(who: Principal, listing: Listing) -> Query:
    return Query(
        visible=visible_to(who),
        limit=listing.limit,
        before=listing.before,
        standings=listing.standings,
        name_prefix=listing.name_prefix,
        tags=listing.tags,
    )


def _shortest(*limits: timedelta | None) -> timedelta | None:
    return min((limit for limit in limits if limit is not None), default=None)
