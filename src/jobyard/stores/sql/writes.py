"""What is written, each as one function from a connection and requests to results (see `writer.Apply`)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from jobyard.domain.errors import Conflict, Fenced, JobyardError, NotFound
from jobyard.domain.job import Job, JobId
from jobyard.domain.state import State, Wanted
from jobyard.stores.base import ChangeKind, Lease, Once, Visibility
from jobyard.stores.sql import codec
from jobyard.stores.sql.tables import changes, documents, jobs, leases, once, tags


@dataclass(frozen=True, slots=True)
class Create:
    job: Job
    once: Once | None


@dataclass(frozen=True, slots=True)
class Save:
    was: Job
    steps: tuple[Job, ...]
    at: datetime
    lease: Lease


@dataclass(frozen=True, slots=True)
class WantCancel:
    id: JobId
    visible: Visibility
    at: datetime


@dataclass(frozen=True, slots=True)
class Acquire:
    name: str
    holder: str
    ttl: timedelta
    at: datetime


def touched(requests: Iterable[object]) -> Iterator[JobId]:
    """The jobs that these requests may change."""
    for request in requests:
        match request:
            case Save(was=job):
                yield job.id
            case WantCancel(id=id):
                yield id
            case _:  # a new job was read by nobody, and a lease is no job
                pass


def create(connection: Connection, requests: Sequence[Create]) -> Sequence[Job | int | JobyardError]:
    """Gives each new job its number and keeps it; for a repeated `Once`, gives the number of the first."""
    last = connection.execute(_NEWEST).first()
    number, newest = (last.number, last.created) if last else (0, None)
    results: list[Job | int | JobyardError] = []
    fresh: list[Job] = []
    for request in requests:
        known = _known(connection, request.once) if request.once else None
        if known is not None:
            results.append(known)
            continue
        number += 1
        # Whoever waited longer for the lock comes later, so that numbers and times have one order.
        newest = max(request.job.created, newest or request.job.created)
        job = replace(request.job, number=number, created=newest)
        fresh.append(job)
        results.append(job)
        if request.once:
            _insert_new(connection, fresh)
            fresh = []
            connection.execute(insert(once).values(**request.once._asdict(), number=number))
    _insert_new(connection, fresh)
    return results


def _known(connection: Connection, promise: Once) -> int | JobyardError | None:
    same = connection.execute(
        select(once.c.number, once.c.digest).where(once.c.owner == promise.owner, once.c.key == promise.key)
    ).first()
    if same is None:
        return None
    if same.digest != promise.digest:
        return Conflict("this Idempotency-Key came before, with another request")
    number: int = same.number
    return number


def _insert_new(connection: Connection, fresh: Sequence[Job]) -> None:
    if not fresh:
        return
    connection.execute(insert(jobs), [codec.job_values(job) for job in fresh])
    connection.execute(
        insert(documents), [{"number": job.number, "document": codec.document_of(job)} for job in fresh]
    )
    tagged = [
        {"number": job.number, "key": key, "value": value}
        for job in fresh
        for key, value in (job.tags or {}).items()
    ]
    if tagged:
        connection.execute(insert(tags), tagged)
    _insert_changes(connection, [(job.number, ChangeKind.CREATED, job.state, job.created) for job in fresh])


def _insert_changes(connection: Connection, rows: Sequence[tuple[int, ChangeKind, State, datetime]]) -> None:
    connection.execute(
        insert(changes),
        [
            {"number": number, "kind": kind.value, "state": state.value, "at": at}
            for number, kind, state, at in rows
        ],
    )


# Statements that run often are made once: making one costs more than running it.
_NEWEST = select(jobs.c.number, jobs.c.created).order_by(jobs.c.number.desc()).limit(1)
_FENCE = select(leases.c.fence).where(
    leases.c.name == bindparam("the_name"), leases.c.holder == bindparam("the_holder")
)
_SAVE = (
    update(jobs)
    .where(jobs.c.number == bindparam("the_number"), jobs.c.version == bindparam("was_version"))
    .values(
        state=bindparam("new_state"),
        version=jobs.c.version + 1,
        progress=bindparam("new_progress"),
        not_before=bindparam("new_not_before"),
    )
)


def save(connection: Connection, requests: Sequence[Save]) -> Sequence[Job | JobyardError]:
    held = {lease: _is_held(connection, lease) for lease in {request.lease for request in requests}}
    results: list[Job | JobyardError] = []
    moves: list[tuple[int, ChangeKind, State, datetime]] = []
    for request in requests:
        if not held[request.lease]:
            results.append(Fenced(f"the lease {request.lease.name} has gone to another holder"))
            continue
        was, now = request.was, request.steps[-1]
        saved = connection.execute(
            _SAVE,
            {
                "the_number": was.number,
                "was_version": was.version,
                "new_state": now.state.value,
                "new_progress": codec.progress_of(now),
                "new_not_before": now.not_before,
            },
        )
        if saved.rowcount != 1:
            results.append(Conflict(f"job {was.id} was changed by somebody else"))
            continue
        results.append(replace(now, version=was.version + 1))
        for before, after in zip((was, *request.steps), request.steps, strict=False):
            if after.state is not before.state:
                moves.append((was.number, ChangeKind.MOVED, after.state, request.at))
    if moves:
        _insert_changes(connection, moves)
    return results


def _is_held(connection: Connection, lease: Lease) -> bool:
    held = connection.execute(_FENCE, {"the_name": lease.name, "the_holder": lease.holder}).scalar()
    return held == lease.fence


def want_cancel(connection: Connection, requests: Sequence[WantCancel]) -> Sequence[bool | JobyardError]:
    return [_want_cancel(connection, request) for request in requests]


def _want_cancel(connection: Connection, request: WantCancel) -> bool | JobyardError:
    asked = select(jobs.c.number, jobs.c.state, jobs.c.wanted).where(jobs.c.id == request.id)
    if request.visible.owner is not None:
        asked = asked.where(jobs.c.owner == request.visible.owner)
    row = connection.execute(asked).first()
    if row is None:
        return NotFound(f"no job {request.id}")
    state = State(row.state)
    if state.terminal or row.wanted == Wanted.CANCEL.value:
        return False
    connection.execute(
        update(jobs)
        .where(jobs.c.number == row.number)
        .values(wanted=Wanted.CANCEL.value, version=jobs.c.version + 1)
    )
    _insert_changes(connection, [(row.number, ChangeKind.WANTED, state, request.at)])
    return True


def acquire(connection: Connection, requests: Sequence[Acquire]) -> Sequence[Lease | None]:
    return [_acquire(connection, request) for request in requests]


def _acquire(connection: Connection, request: Acquire) -> Lease | None:
    """A renewal keeps the fence; every other way in raises it."""
    row = connection.execute(
        select(leases.c.holder, leases.c.fence, leases.c.expires).where(leases.c.name == request.name)
    ).first()
    if row is not None and row.holder != request.holder and row.expires > request.at:
        return None
    last = row.fence if row is not None else 0
    fence = last if row is not None and row.holder == request.holder else last + 1
    values = {"holder": request.holder, "fence": fence, "expires": request.at + request.ttl}
    connection.execute(
        upsert(leases)
        .values(name=request.name, **values)
        .on_conflict_do_update(index_elements=[leases.c.name], set_=values)
    )
    return Lease(request.name, request.holder, fence)


def release(connection: Connection, requests: Sequence[Lease]) -> Sequence[None]:
    """Expired rather than deleted, for the fence must go on rising."""
    for lease in requests:
        connection.execute(
            update(leases)
            .where(leases.c.name == lease.name, leases.c.fence == lease.fence)
            .values(holder="", expires=datetime.fromtimestamp(0, UTC))
        )
    return [None] * len(requests)
