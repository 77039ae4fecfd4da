"""The store of jobs on SQLite, behind the promises of `stores/base.py`.

Reads whose cost is bounded run at once, in the caller's thread: they take microseconds, less than handing
them to another thread. Longer ones and all writes have threads of their own (docs/decisions/0003).
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, Select, bindparam, create_engine, event, func, select
from sqlalchemy.exc import SQLAlchemyError

from jobyard.domain.errors import NotFound, Unavailable
from jobyard.domain.job import Job, JobId
from jobyard.domain.state import ON_A_BACKEND, Standing, State, Wanted
from jobyard.stores.base import Brief, Change, ChangeKind, Lease, Once, Query, Visibility, Waiting
from jobyard.stores.sql import codec, listing, writes
from jobyard.stores.sql.bell import Bell
from jobyard.stores.sql.freshness import FreshCache, Freshness
from jobyard.stores.sql.tables import changes, documents, jobs
from jobyard.stores.sql.writer import Writer

_BUSY_SECONDS = 20
_CACHED_JOBS = 1024
_CACHED_STANDINGS = 8192

AnyRow = Row[*tuple[Any, ...]]
T = TypeVar("T")
Read = Callable[[Connection], Sequence[AnyRow]]

_WHOLE = select(jobs, documents.c.document).join_from(jobs, documents, jobs.c.number == documents.c.number)
_BY_ID = _WHOLE.where(jobs.c.id == bindparam("id"))
_BY_NUMBER = _WHOLE.where(jobs.c.number == bindparam("number"))
_BRIEF = select(jobs.c.number, jobs.c.id, jobs.c.state, jobs.c.wanted)
_STANDING = select(jobs.c.state, jobs.c.wanted, jobs.c.owner).where(jobs.c.id == bindparam("id"))
_WAITING = (
    select(jobs.c.number, jobs.c.id, jobs.c.cores, jobs.c.memory_gb, jobs.c.disk_gb, jobs.c.not_before)
    .where(jobs.c.state == State.QUEUED.value, jobs.c.number > bindparam("after"))
    .order_by(jobs.c.number)
    .limit(bindparam("limit"))
)
_CHANGES = (
    select(changes.c.sequence, jobs.c.id, changes.c.kind, changes.c.state, changes.c.at)
    .join_from(changes, jobs, changes.c.number == jobs.c.number)
    .where(changes.c.sequence > bindparam("after"))
    .order_by(changes.c.sequence)
    .limit(bindparam("limit"))
)

_STANDINGS = {
    (state.value, wanted.value): Standing(state, wanted) for state, wanted in itertools.product(State, Wanted)
}


def open_engine(path: Path) -> Engine:
    """Connections that keep the store's promises: write-ahead log, flushed at each commit, foreign keys."""
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    return engine


class SqlStore:
    """One process's hold on the database. Open it after a fork, never before."""

    def __init__(self, path: Path) -> None:
        """The schema must be current: see `schema.check`."""
        self._engine = open_engine(path)
        self._reading = self._engine.connect()
        self._reader = codec.Reader()
        self._bell = Bell(path.with_name("wake"))
        self._freshness = Freshness(path.with_name("freshness"))
        self._jobs: FreshCache[Job] = FreshCache(self._freshness, _CACHED_JOBS)
        self._standings: FreshCache[tuple[str, Standing]] = FreshCache(self._freshness, _CACHED_STANDINGS)
        self._writer = Writer(self._engine, path.with_name("turn.lock"), self._changing, self._bell.ring)

    async def create(self, job: Job, *, once: Once | None = None) -> Job:
        stored = await self._writer.write(writes.create, writes.Create(job, once))
        return stored if isinstance(stored, Job) else self._reader.job(self._one(_BY_NUMBER, number=stored))

    async def get(self, id: JobId, visible: Visibility) -> Job:
        job = self._jobs.get(id)
        if job is None:
            count = self._freshness.count(id)
            row = self._one(_BY_ID, id=id)
            job = self._reader.job(row)
            if codec.cacheable(row):
                self._jobs.keep(id, count, job)
        return _seen(job, job.owner, visible)

    async def standing(self, id: JobId, visible: Visibility) -> Standing:
        known = self._standings.get(id)
        if known is None:
            count = self._freshness.count(id)
            row = self._one(_STANDING, id=id)
            known = (row.owner, _STANDINGS[row.state, row.wanted])
            self._standings.keep(id, count, known)
        owner, standing = known
        return _seen(standing, owner, visible)

    async def list(self, query: Query) -> Sequence[Job]:
        return [self._reader.job(row) for row in await self._page(_WHOLE, query)]

    async def list_briefs(self, query: Query) -> Sequence[Brief]:
        return [
            Brief(number, id, _STANDINGS[state, wanted])
            for number, id, state, wanted in await self._page(_BRIEF, query)
        ]

    async def want_cancel(self, id: JobId, visible: Visibility, *, at: datetime) -> bool:
        return await self._writer.write(writes.want_cancel, writes.WantCancel(id, visible, at))

    async def save(self, was: Job, *steps: Job, at: datetime, lease: Lease) -> Job:
        return await self._writer.write(writes.save, writes.Save(was, steps, at, lease))

    async def waiting(self, after: int, limit: int) -> Sequence[Waiting]:
        return [codec.waiting(row) for row in self._all(_WAITING, after=after, limit=limit)]

    async def on_backend(self) -> Sequence[Job]:
        states = [state.value for state in ON_A_BACKEND]
        statement = _WHOLE.where(jobs.c.state.in_(states)).order_by(jobs.c.number)
        return [self._reader.job(row) for row in self._all(statement)]

    async def count(self) -> Mapping[State, int]:
        def read(connection: Connection) -> Sequence[Any]:
            return connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()

        counted = {State(state): number for state, number in await asyncio.to_thread(self._aside, read)}
        return {state: counted.get(state, 0) for state in State}

    async def last_change(self) -> int:
        statement = select(func.coalesce(func.max(changes.c.sequence), 0))
        sequence: int = self._all(statement)[0][0]
        return sequence

    async def changes(self, after: int, limit: int) -> Sequence[Change]:
        return [
            Change(row.sequence, JobId(row.id), ChangeKind(row.kind), State(row.state), row.at)
            for row in self._all(_CHANGES, after=after, limit=limit)
        ]

    async def changed(self, timeout: timedelta) -> None:
        await self._bell.heard(timeout)

    async def acquire(self, name: str, holder: str, ttl: timedelta, *, at: datetime) -> Lease | None:
        return await self._writer.write(writes.acquire, writes.Acquire(name, holder, ttl, at))

    async def release(self, lease: Lease) -> None:
        await self._writer.write(writes.release, lease)

    async def ping(self) -> None:
        self._all(select(jobs.c.number).limit(1))

    def _changing(self, requests: Sequence[object]) -> AbstractContextManager[None]:
        return self._freshness.changing(writes.touched(requests))

    async def close(self) -> None:
        self._writer.close()
        self._freshness.close()
        self._reading.close()
        self._engine.dispose()
        self._bell.close()

    async def _page(self, columns: Select[Any], query: Query) -> Sequence[Any]:
        def read(connection: Connection) -> Sequence[AnyRow]:
            page = listing.page(connection, query, columns)
            return connection.execute(page.statement, page.values).all()

        if listing.bounded(query):
            with _translated():
                return read(self._reading)
        return await asyncio.to_thread(self._aside, read)

    def _aside(self, read: Read) -> Sequence[AnyRow]:
        """On a connection of its own, in another thread."""
        with _translated(), self._engine.connect() as connection:
            return read(connection)

    def _all(self, statement: Select[Any], **values: object) -> Sequence[AnyRow]:
        with _translated():
            return self._reading.execute(statement, values).all()

    def _one(self, statement: Select[Any], **values: object) -> AnyRow:
        with _translated():
            row = self._reading.execute(statement, values).first()
        if row is None:
            raise NotFound("no such job")
        return row


def _seen(read: T, owner: str, visible: Visibility) -> T:
    if visible.owner is not None and visible.owner != owner:
        raise NotFound("no such job")
    return read


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise Unavailable("the database cannot be read now; try again") from error
