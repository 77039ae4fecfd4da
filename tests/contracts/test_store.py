"""The promises of `stores/base.py`, for every backend."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.domain.errors import Conflict, Fenced, NotFound
from jobyard.domain.files import Input, StoredOutput
from jobyard.domain.job import Attempt, CommandLog, Job, JobId
from jobyard.domain.resources import Request
from jobyard.domain.state import TERMINAL, Standing, State, Wanted
from jobyard.domain.work import Command, Work
from jobyard.stores.base import ChangeKind, JobStore, Once, Query, Visibility, Waiting
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.samples import NOON, sample_job

EVERYBODY = Visibility()
HOUR = timedelta(hours=1)
SOON = timedelta(seconds=10)


def sqlite(directory: Path) -> Callable[[], JobStore]:
    """A fresh database; each call opens it as another process would."""
    path = directory / "jobs.db"
    schema.upgrade(path)
    return lambda: SqlStore(path)


BACKENDS = [sqlite]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.__name__)
def connect(request, tmp_path) -> Callable[[], JobStore]:
    return request.param(tmp_path)


@pytest.fixture
async def opened(connect) -> AsyncIterator[Callable[[], JobStore]]:
    """Opens another hold on the one database; closed at the end."""
    async with AsyncExitStack() as stack:

        def another() -> JobStore:
            store = connect()
            stack.push_async_callback(store.close)
            return store

        yield another


@pytest.fixture
async def store(opened) -> JobStore:
    return opened()


@pytest.fixture
async def other(opened) -> JobStore:
    """Another process's."""
    return opened()


@dataclass
class Mover:
    """Moves jobs as an engine does."""

    store: JobStore

    async def lease(self, holder: str = "engine"):
        lease = await self.store.acquire("engine", holder, HOUR, at=NOON)
        assert lease
        return lease

    async def move(self, job: Job, *states: State) -> Job:
        steps = [job]
        for state in states:
            steps.append(steps[-1].move(state))
        return await self.store.save(job, *steps[1:], at=NOON, lease=await self.lease())


@pytest.fixture
def mover(store) -> Mover:
    return Mover(store)


def asking(**conditions) -> Query:
    return Query(**{"visible": EVERYBODY, "limit": 100, **conditions})


async def numbers(store: JobStore, **conditions) -> list[int]:
    """Both ways to list must tell the same."""
    query = asking(**conditions)
    jobs = await store.list(query)
    briefs = await store.list_briefs(query)
    assert [(job.number, job.id, job.standing) for job in jobs] == briefs
    return [job.number for job in jobs]


async def names(store: JobStore, **conditions) -> list[str | None]:
    return [job.name for job in await store.list(asking(**conditions))]


FULL = Job(
    id=JobId("full"),
    api="tes",
    owner="ada",
    created=NOON + timedelta(microseconds=1),
    name='a "name" with \u00fcmlaut, \U0001f9ec and \x00',
    description="",
    tags={"": "", "k": "v", "ключ": "значение", "empty": ""},
    time_limit=timedelta(seconds=1.5),
    max_attempts=3,
    work=Work(
        commands=(
            Command(
                image="alpine",
                argv=("sh", "-c", "a b\n'\"$HOME`*", ""),
                workdir="/w",
                stdin="/i",
                stdout="/o",
                stderr="/e",
                env={"A": "", "B": "x=y"},
                ignore_error=False,
            ),
        ),
        inputs=(Input(path="/i", content="\r\n\u2028"), Input(path="/j", url="file:///x", streamable=True)),
        volumes=("/v",),
        missing_outputs_ok=True,
        resources=Request(
            cores=0, memory_gb=0.1, disk_gb=1e300, preemptible=False, zones=("a",), parameters={"x": "y"}
        ),
    ),
    attempts=(Attempt(number=1, system_log=("accepted", "with a warning")),),
)


async def test_a_created_job_reads_the_same_from_anywhere_at_once(store, other) -> None:
    for job in (sample_job(), FULL):
        stored = await store.create(job)
        assert stored == replace(job, number=stored.number)
        for anyone in (store, other):
            assert await anyone.get(job.id, EVERYBODY) == stored
            assert await anyone.standing(job.id, EVERYBODY) == (State.QUEUED, Wanted.RUN)
            assert (await anyone.list(asking(limit=1)))[0] == stored


async def test_a_saved_job_reads_the_same_from_anywhere_at_once(store, other, mover) -> None:
    was = await store.create(FULL)
    await other.get(was.id, EVERYBODY)  # what another process remembers must not be told afterwards
    attempt = Attempt(
        number=1,
        started=NOON,
        ended=NOON + HOUR,
        commands=(
            CommandLog(started=NOON, ended=NOON, exit_code=-9, stdout="\ufffd", stderr=""),
            CommandLog(),
        ),
        outputs=(StoredOutput(url="file:///o", path="/o", size=2**60, sha256="0" * 64),),
        system_log=("a", "a"),
        metadata={"node": "n1"},
        backend="local",
        handle="full.1",
    )
    now = replace(was.move(State.INITIALIZING), attempts=(attempt, Attempt(number=2)), not_before=NOON)
    saved = await store.save(was, now, at=NOON, lease=await mover.lease())
    assert saved == replace(now, version=saved.version)
    assert saved.version > was.version
    assert await other.get(was.id, EVERYBODY) == saved
    assert await store.get(was.id, EVERYBODY) == saved


async def test_numbers_rise_and_times_never_fall_when_many_create_at_once(store, other) -> None:
    random = Random(1)
    jobs = [sample_job(created=NOON + timedelta(seconds=random.randrange(100))) for _ in range(200)]
    created = await asyncio.gather(
        *(random.choice([store, other]).create(job) for job in jobs),
    )
    listed = await store.list(asking(limit=1000))
    assert {job.id for job in listed} == {job.id for job in jobs}
    assert len({job.number for job in created}) == len(jobs)
    assert [job.number for job in listed] == sorted((job.number for job in listed), reverse=True)
    assert [job.created for job in listed] == sorted((job.created for job in listed), reverse=True)
    assert {job.id: job for job in listed} == {job.id: job for job in created}
    assert all(job.number > 0 for job in listed)


async def test_a_request_made_once_makes_one_job(store, other) -> None:
    once = Once("ada", "key", "digest")
    first = await store.create(sample_job(name="first"), once=once)
    for anyone in (store, other):
        assert await anyone.create(sample_job(name="second"), once=once) == first
    assert await names(store) == ["first"]


async def test_a_repeated_request_is_answered_with_the_job_as_it_is_now(store, mover) -> None:
    once = Once("ada", "key", "digest")
    first = await store.create(sample_job(), once=once)
    moved = await mover.move(first, State.INITIALIZING)
    assert await store.create(sample_job(), once=once) == moved


async def test_a_key_with_another_request_is_a_conflict_and_makes_nothing(store) -> None:
    await store.create(sample_job(), once=Once("ada", "key", "digest"))
    with pytest.raises(Conflict, match="Idempotency-Key"):
        await store.create(sample_job(), once=Once("ada", "key", "another"))
    assert len(await numbers(store)) == 1


async def test_keys_of_different_owners_are_different(store) -> None:
    first = await store.create(sample_job(), once=Once("ada", "key", "digest"))
    second = await store.create(sample_job(), once=Once("bob", "key", "another"))
    assert first.id != second.id


async def test_the_same_request_from_many_at_once_makes_one_job(store, other) -> None:
    once = Once("ada", "key", "digest")
    made = await asyncio.gather(
        *(anyone.create(sample_job(), once=once) for anyone in [store, other] * 20),
    )
    assert len({job.id for job in made}) == 1
    assert len(await numbers(store)) == 1


async def test_what_is_not_there_or_not_visible_is_not_found(store) -> None:
    job = await store.create(sample_job(owner="ada"))
    for id, visible in [
        (JobId("nothing"), EVERYBODY),
        (JobId("%"), EVERYBODY),
        (JobId(""), EVERYBODY),
        (job.id, Visibility(owner="bob")),
    ]:
        for ask in (store.get, store.standing):
            with pytest.raises(NotFound):
                await ask(id, visible)
        with pytest.raises(NotFound):
            await store.want_cancel(id, visible, at=NOON)
    assert (await store.standing(job.id, EVERYBODY)).wanted is Wanted.RUN


async def test_an_owner_sees_finds_and_cancels_own_jobs_only(store) -> None:
    mine = await store.create(sample_job(owner="ada", name="x", tags={"k": "v"}))
    await store.create(sample_job(owner="bob", name="x", tags={"k": "v"}))
    ada = Visibility(owner="ada")
    assert await store.get(mine.id, ada) == mine
    queued = frozenset({Standing(State.QUEUED, Wanted.RUN)})
    for conditions in ({}, {"name_prefix": "x"}, {"tags": {"k": ""}}, {"standings": queued}, {"before": 10}):
        assert await numbers(store, visible=ada, **conditions) == [mine.number]
    assert await store.want_cancel(mine.id, ada, at=NOON)


async def test_lists_are_newest_first_and_cut(store) -> None:
    made = [(await store.create(sample_job())).number for _ in range(5)]
    assert await numbers(store) == made[::-1]
    assert await numbers(store, limit=2) == made[:2:-1]
    assert await numbers(store, before=made[2]) == made[1::-1]
    assert await numbers(store, before=made[0]) == []


@pytest.mark.parametrize(
    "wanted, has, match",
    [  # contract tes 1.4
        ({"foo": "bar"}, {"foo": "bar"}, True),
        ({"foo": "bar"}, {"foo": "bat"}, False),
        ({"foo": ""}, {"foo": ""}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar"}, False),
        ({"foo": ""}, {"foo": "bar"}, True),
        ({"foo": ""}, {}, False),
        ({"foo": ""}, None, False),
        ({"foo": "bar"}, {"foo": "Bar"}, False),
        ({"foo": "bar"}, {"Foo": "bar"}, False),
        ({"foo": "b"}, {"foo": "bar"}, False),
        ({"f%": "b_r"}, {"foo": "bar"}, False),
        ({"foo": "", "baz": "bat"}, {"foo": "x", "baz": "bat"}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bat", "baz": "bar"}, False),
    ],
)
async def test_tags_match_as_the_table_says(store, wanted, has, match) -> None:
    job = await store.create(sample_job(tags=has))
    assert await numbers(store, tags=wanted) == ([job.number] if match else [])
    reverse = dict(reversed(wanted.items()))
    assert await numbers(store, tags=reverse) == ([job.number] if match else [])


NAMES = [
    "",
    "a",
    "ab",
    "abc",
    "Abc",
    "a%",
    "a_",
    "a_c",
    "a\\",
    "a\\%b",
    "%",
    "_",
    "*",
    "a'b",
    "ä",
    "äb",
    "a\u0308",
    "\U0001f9ec",
    "\U0001f9ecx",
    "b\x00c",
    " a",
    "a\U0010ffff",
    "a\U0010ffffz",
    "\U0010ffff",
    "\U0010ffff\U0010ffffz",
    "\ud7ff",
    "\ue000",
]


async def test_name_prefixes_are_literal_and_case_sensitive(store) -> None:
    for name in (*NAMES, None):
        await store.create(sample_job(name=name))
    newest_first = NAMES[::-1]
    for prefix in [*filter(None, NAMES), "zz", "a\\%", "b\x00"]:
        expected = [name for name in newest_first if name.startswith(prefix)]
        assert await names(store, name_prefix=prefix) == expected, prefix
    assert await names(store, name_prefix="") == [None, *newest_first]


async def test_standings_are_found_exactly(store, mover) -> None:
    queued = await store.create(sample_job())
    canceled = await store.create(sample_job())
    await store.want_cancel(canceled.id, EVERYBODY, at=NOON)
    running = await mover.move(await store.create(sample_job()), State.INITIALIZING, State.RUNNING)
    first = Standing(State.QUEUED, Wanted.RUN)
    second = Standing(State.QUEUED, Wanted.CANCEL)
    third = Standing(State.RUNNING, Wanted.RUN)
    for standings, found in [
        ({first}, [queued]),
        ({second}, [canceled]),
        ({third}, [running]),
        ({first, second}, [canceled, queued]),
        ({first, second, third}, [running, canceled, queued]),
        ({Standing(State.COMPLETED, Wanted.RUN)}, []),
        (set(), []),
        (None, [running, canceled, queued]),
    ]:
        wanted = None if standings is None else frozenset(standings)
        assert await numbers(store, standings=wanted) == [job.number for job in found], standings
        newest = [job.number for job in found][:1]
        assert await numbers(store, standings=wanted, limit=1) == newest


@pytest.fixture
async def mixed(store, mover) -> list[Job]:
    """Jobs of all kinds, newest first."""
    random = Random(2)
    jobs = []
    for _ in range(120):
        tags = {key: random.choice(["", "x", "y"]) for key in random.sample("abc", random.randrange(4))}
        job = sample_job(
            owner=random.choice(["ada", "bob"]), name=random.choice([None, "run", "run-1", "ru"]), tags=tags
        )
        job = await store.create(job)
        ways = [(), (State.INITIALIZING,), (State.INITIALIZING, State.FAILED), (State.CANCELED,)]
        if way := random.choice(ways):
            job = await mover.move(job, *way)
        elif random.random() < 0.5:
            await store.want_cancel(job.id, EVERYBODY, at=NOON)
            job = await store.get(job.id, EVERYBODY)
        jobs.append(job)
    return jobs[::-1]


def meets(job: Job, query: Query) -> bool:
    """What `Query` says, in plain words."""
    return (
        query.visible.owner in {None, job.owner}
        and (query.before is None or job.number < query.before)
        and (query.standings is None or job.standing in query.standings)
        and (not query.name_prefix or (job.name or "").startswith(query.name_prefix))
        and all(
            key in (job.tags or {}) and value in {"", (job.tags or {})[key]}
            for key, value in query.tags.items()
        )
    )


async def test_all_conditions_hold_together(store, mixed) -> None:
    random = Random(3)
    everywhere = [job.standing for job in mixed]
    sizes = []
    for _ in range(200):
        query = Query(
            visible=Visibility(owner=random.choice([None, None, "ada", "bob"])),
            limit=random.choice([1, 3, 200]),
            before=random.choice([None, None, random.randrange(140)]),
            standings=random.choice([None, frozenset(random.sample(everywhere, random.randrange(4)))]),
            name_prefix=random.choice(["", "", "r", "run", "run-", "x"]),
            tags={
                key: random.choice(["", "x", "y"])
                for key in random.sample("abc", random.choice([0, 0, 1, 2, 3]))
            },
        )
        expected = [job for job in mixed if meets(job, query)][: query.limit]
        sizes.append(len(expected))
        assert list(await store.list(query)) == expected, query
        assert [brief.id for brief in await store.list_briefs(query)] == [job.id for job in expected]
    assert sizes.count(0) < 120


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"name_prefix": "n"},
        {"tags": {"k": "v"}},
        {"tags": {"k": ""}, "name_prefix": "n"},
        {"standings": frozenset({Standing(State.QUEUED, Wanted.RUN), Standing(State.QUEUED, Wanted.CANCEL)})},
        {"visible": Visibility(owner="ada")},
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 30, 31, 100])
async def test_pages_hold_each_job_once_while_new_ones_arrive(store, other, conditions, size) -> None:
    def job() -> Job:
        return sample_job(name="n", tags={"k": "v"}, owner="ada")

    there = [await store.create(job()) for _ in range(30)]
    for index in (3, 17):
        await store.want_cancel(there[index].id, EVERYBODY, at=NOON)
    seen: list[int] = []
    while page := await numbers(store, limit=size, before=seen[-1] if seen else None, **conditions):
        assert len(page) == size or page[-1] == there[0].number
        seen.extend(page)
        await other.create(job())
    assert seen == [job.number for job in reversed(there)]


async def test_the_first_to_want_a_cancel_writes_it(store, other) -> None:
    job = await store.create(sample_job())
    assert await store.want_cancel(job.id, EVERYBODY, at=NOON)
    assert not await store.want_cancel(job.id, EVERYBODY, at=NOON)
    assert not await other.want_cancel(job.id, EVERYBODY, at=NOON)
    now = await other.get(job.id, EVERYBODY)
    assert (now.state, now.wanted) == (State.QUEUED, Wanted.CANCEL)
    assert now.version > job.version


async def test_many_who_want_a_cancel_at_once_write_it_once(store, other) -> None:
    job = await store.create(sample_job())
    wrote = await asyncio.gather(
        *(anyone.want_cancel(job.id, EVERYBODY, at=NOON) for anyone in [store, other] * 10),
    )
    assert wrote.count(True) == 1
    kinds = [change.kind for change in await store.changes(0, 100)]
    assert kinds == [ChangeKind.CREATED, ChangeKind.WANTED]


WAYS = {
    State.COMPLETED: (State.INITIALIZING, State.RUNNING, State.FINALIZING, State.COMPLETED),
    State.CANCELED: (State.CANCELED,),
    State.ERRORED: (State.ERRORED,),
    **{
        state: (State.INITIALIZING, state)
        for state in (State.FAILED, State.PREEMPTED, State.TIMED_OUT, State.OUT_OF_MEMORY)
    },
}


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_a_job_at_its_end_cannot_be_wanted_canceled(store, mover, state) -> None:
    job = await mover.move(await store.create(sample_job()), *WAYS[state])
    assert not await store.want_cancel(job.id, EVERYBODY, at=NOON)
    assert await store.get(job.id, EVERYBODY) == job


async def test_a_save_from_an_older_version_is_a_conflict_and_writes_nothing(store, other, mover) -> None:
    was = await store.create(sample_job())
    await store.want_cancel(was.id, EVERYBODY, at=NOON)
    now = await store.get(was.id, EVERYBODY)
    before = await store.changes(0, 100)
    with pytest.raises(Conflict):
        await other.save(was, was.noted("lost").move(State.INITIALIZING), at=NOON, lease=await mover.lease())
    assert await store.get(was.id, EVERYBODY) == now
    assert await store.changes(0, 100) == before


@pytest.mark.parametrize("ends", list(permutations([State.FAILED, State.ERRORED, State.FINALIZING], 2)))
async def test_of_two_writers_one_wins(store, other, mover, ends) -> None:
    was = await mover.move(await store.create(sample_job()), State.INITIALIZING, State.RUNNING)
    lease = await mover.lease()
    results = await asyncio.gather(
        *(
            anyone.save(was, was.move(end), at=NOON, lease=lease)
            for anyone, end in zip([store, other], ends, strict=True)
        ),
        return_exceptions=True,
    )
    (won,) = [result for result in results if isinstance(result, Job)]
    (lost,) = [result for result in results if not isinstance(result, Job)]
    assert isinstance(lost, Conflict)
    assert await store.get(was.id, EVERYBODY) == won
    assert (await store.changes(0, 100))[-1].state is won.state


async def test_every_state_on_the_way_is_a_change(store, mover) -> None:
    job = await store.create(sample_job())
    job = await mover.move(job, State.INITIALIZING, State.RUNNING, State.FINALIZING, State.COMPLETED)
    story = [(change.kind, change.state, change.id, change.at) for change in await store.changes(0, 100)]
    assert story == [
        (ChangeKind.CREATED, State.QUEUED, job.id, NOON),
        (ChangeKind.MOVED, State.INITIALIZING, job.id, NOON),
        (ChangeKind.MOVED, State.RUNNING, job.id, NOON),
        (ChangeKind.MOVED, State.FINALIZING, job.id, NOON),
        (ChangeKind.MOVED, State.COMPLETED, job.id, NOON),
    ]


async def test_a_save_that_moves_nowhere_is_no_change(store, mover) -> None:
    job = await store.create(sample_job())
    saved = await store.save(job, job.noted("hello"), at=NOON, lease=await mover.lease())
    assert (await store.get(job.id, EVERYBODY)).attempt.system_log == ("hello",)
    assert saved.version > job.version
    assert await store.last_change() == 1


async def test_a_save_keeps_a_cancel_that_was_wanted(store, mover) -> None:
    job = await store.create(sample_job())
    await store.want_cancel(job.id, EVERYBODY, at=NOON)
    moved = await mover.move(await store.get(job.id, EVERYBODY), State.CANCELED)
    assert moved.standing == (State.CANCELED, Wanted.CANCEL)
    assert await store.standing(job.id, EVERYBODY) == moved.standing


async def test_what_waits_is_told_lowest_first(store, mover) -> None:
    jobs = [await store.create(sample_job(cores=index or None)) for index in range(4)]
    await mover.move(jobs[1], State.INITIALIZING)
    await store.want_cancel(jobs[2].id, EVERYBODY, at=NOON)
    waiting = await store.waiting(0, 10)
    assert [entry.id for entry in waiting] == [jobs[0].id, jobs[2].id, jobs[3].id]
    assert waiting[2] == Waiting(jobs[3].number, jobs[3].id, Request(cores=3), None)
    assert [entry.id for entry in await store.waiting(0, 2)] == [jobs[0].id, jobs[2].id]
    assert [entry.id for entry in await store.waiting(jobs[2].number, 10)] == [jobs[3].id]


async def test_what_waits_for_another_attempt_tells_until_when(store, mover) -> None:
    job = await mover.move(await store.create(sample_job()), State.INITIALIZING)
    later = replace(job.move(State.QUEUED), not_before=NOON + HOUR)
    await store.save(job, later, at=NOON, lease=await mover.lease())
    assert [entry.not_before for entry in await store.waiting(0, 10)] == [NOON + HOUR]


async def test_jobs_on_a_backend_are_told(store, mover) -> None:
    ways = [
        (State.INITIALIZING,),
        (State.INITIALIZING, State.RUNNING),
        (State.INITIALIZING, State.RUNNING, State.SUSPENDED),
        (State.INITIALIZING, State.FINALIZING),
        (State.INITIALIZING, State.CANCELING),
    ]
    expected = [await mover.move(await store.create(sample_job()), *way) for way in ways]
    await store.create(sample_job())
    for way in WAYS.values():
        await mover.move(await store.create(sample_job()), *way)
    found = await store.on_backend()
    assert sorted(found, key=lambda job: job.number) == expected


async def test_jobs_are_counted_in_every_state(store, mover) -> None:
    assert await store.count() == dict.fromkeys(State, 0)
    for _ in range(2):
        await store.create(sample_job())
    await mover.move(await store.create(sample_job()), State.CANCELED)
    assert await store.count() == dict.fromkeys(State, 0) | {State.QUEUED: 2, State.CANCELED: 1}


async def test_changes_are_told_in_order_from_any_point(store, mover) -> None:
    assert await store.last_change() == 0
    assert await store.changes(0, 10) == []
    job = await mover.move(await store.create(sample_job()), State.INITIALIZING, State.RUNNING)
    await store.want_cancel(job.id, EVERYBODY, at=NOON)
    everything = await store.changes(0, 100)
    assert [change.sequence for change in everything] == sorted(change.sequence for change in everything)
    assert everything[-1].sequence == await store.last_change()
    assert everything[-1][1:] == (job.id, ChangeKind.WANTED, State.RUNNING, NOON)
    for index, change in enumerate(everything):
        assert await store.changes(change.sequence, 100) == everything[index + 1 :]
    assert await store.changes(0, 2) == everything[:2]


async def test_no_change_is_skipped_while_many_write(opened) -> None:
    reader = opened()
    writers = [opened() for _ in range(3)]
    seen = []

    async def read() -> None:
        while len(seen) < 150:
            seen.extend(await reader.changes(seen[-1].sequence if seen else 0, 7))
            await asyncio.sleep(0)

    async def write(store: JobStore) -> list[JobId]:
        ids = []
        for _ in range(25):
            ids.append((await store.create(sample_job())).id)
            await store.want_cancel(ids[-1], EVERYBODY, at=NOON)
        return ids

    async with asyncio.timeout(60):
        _, *written = await asyncio.gather(read(), *(write(store) for store in writers))
    assert sorted(change.id for change in seen) == sorted([id for ids in written for id in ids] * 2)


async def test_a_lease_has_one_holder_at_a_time(store, other) -> None:
    mine = await store.acquire("engine", "a", HOUR, at=NOON)
    assert mine
    assert (mine.name, mine.holder) == ("engine", "a")
    assert await other.acquire("engine", "b", HOUR, at=NOON) is None
    assert await other.acquire("another", "b", HOUR, at=NOON) is not None


async def test_a_lease_is_renewed_by_its_holder(store, other) -> None:
    mine = await store.acquire("engine", "a", HOUR, at=NOON)
    assert await store.acquire("engine", "a", HOUR, at=NOON + HOUR / 2) == mine
    assert await other.acquire("engine", "b", HOUR, at=NOON + HOUR) is None
    assert await other.acquire("engine", "b", HOUR, at=NOON + HOUR * 1.5) is not None


async def test_an_expired_lease_goes_to_whoever_asks_under_a_higher_fence(store, other) -> None:
    mine = await store.acquire("engine", "a", HOUR, at=NOON)
    theirs = await other.acquire("engine", "b", HOUR, at=NOON + HOUR)
    assert mine
    assert theirs
    assert theirs.fence > mine.fence
    assert await store.acquire("engine", "a", HOUR, at=NOON + HOUR) is None


async def test_a_released_lease_is_free_at_once_and_its_fence_goes_on_rising(store, other) -> None:
    fences = []
    for holder in ("a", "b", "a", "a"):
        lease = await store.acquire("engine", holder, HOUR, at=NOON)
        assert lease
        fences.append(lease.fence)
        await other.release(lease)
    assert fences == sorted(set(fences))


async def test_a_lost_lease_is_released_without_harm(store, other) -> None:
    lost = await store.acquire("engine", "a", HOUR, at=NOON)
    theirs = await other.acquire("engine", "b", HOUR, at=NOON + HOUR)
    assert lost
    await store.release(lost)
    assert await other.acquire("engine", "b", HOUR, at=NOON + HOUR) == theirs
    assert await store.acquire("engine", "a", HOUR, at=NOON + HOUR) is None


async def test_of_many_who_ask_for_a_lease_one_gets_it(opened) -> None:
    stores = [opened() for _ in range(4)]
    leases = await asyncio.gather(
        *(store.acquire("engine", f"h{index}", HOUR, at=NOON) for index, store in enumerate(stores)),
    )
    assert len([lease for lease in leases if lease]) == 1


@pytest.mark.parametrize("released", [False, True])
async def test_without_the_lease_nothing_is_saved(store, other, released) -> None:
    was = await store.create(sample_job())
    lease = await store.acquire("engine", "a", HOUR, at=NOON)
    assert lease
    if released:
        await store.release(lease)
    else:
        assert await other.acquire("engine", "b", HOUR, at=NOON + HOUR)
    with pytest.raises(Fenced):
        await store.save(was, was.move(State.INITIALIZING), at=NOON, lease=lease)
    assert await store.get(was.id, EVERYBODY) == was
    assert await store.last_change() == 1


async def test_a_lease_that_nobody_took_can_still_save(store) -> None:
    was = await store.create(sample_job())
    lease = await store.acquire("engine", "a", timedelta(0), at=NOON)
    assert lease
    await store.save(was, was.move(State.INITIALIZING), at=NOON + HOUR, lease=lease)


async def write_something(store: JobStore, job: Job) -> list[Callable[[], Awaitable[object]]]:
    lease = await store.acquire("engine", "a", HOUR, at=NOON)
    assert lease
    return [
        lambda: store.create(sample_job()),
        lambda: store.save(job, job.noted("x"), at=NOON, lease=lease),
        lambda: store.want_cancel(job.id, EVERYBODY, at=NOON),
    ]


async def test_what_another_process_writes_is_heard_at_once(store, other) -> None:
    job = await store.create(sample_job())
    await other.changed(timedelta(0))
    for write in await write_something(store, job):
        await drained(other)
        hearing = asyncio.create_task(other.changed(timedelta(minutes=5)))
        await asyncio.sleep(0)
        await write()
        await asyncio.wait_for(hearing, SOON.total_seconds())


async def test_what_is_written_between_two_waits_is_heard_in_the_second(store, other) -> None:
    await other.changed(timedelta(0))
    await store.create(sample_job())
    await asyncio.wait_for(other.changed(timedelta(minutes=5)), SOON.total_seconds())


async def test_a_wait_for_changes_ends_by_itself(store) -> None:
    await asyncio.wait_for(store.changed(timedelta(milliseconds=10)), SOON.total_seconds())


async def test_a_store_closes_while_somebody_waits_for_changes(connect) -> None:
    store = connect()
    hearing = asyncio.create_task(store.changed(timedelta(minutes=5)))
    await asyncio.sleep(0)
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    await store.close()


async def drained(store: JobStore) -> None:
    """So that a ring heard afterwards is a new one."""
    await store.changed(timedelta(0))


async def test_a_store_that_is_well_says_so(store) -> None:
    await store.ping()


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@pytest.fixture
def run() -> Iterator[Callable[[Awaitable[None]], None]]:
    """Runs the body of a property in one loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(TEXT, min_size=1, max_size=4),
    prefix=TEXT,
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
    cut=st.integers(0, 12),
)
def test_any_text_is_kept_and_found(connect, run, names, prefix, tags, cut) -> None:
    async def body() -> None:
        store = connect()
        try:
            newest = (await store.list(asking(limit=1)))[:1]
            last = newest[0].number if newest else 0
            jobs = [await store.create(sample_job(name=name, tags=tags)) for name in names]
            for start in (prefix, names[0][:cut]):
                found = await store.list(asking(name_prefix=start, limit=100))
                expected = [job for job in reversed(jobs) if (job.name or "").startswith(start)]
                assert [job for job in found if job.number > last] == expected
            if all(tags):
                found = await store.list(asking(tags=tags, limit=100))
                assert [job for job in found if job.number > last] == jobs[::-1]
        finally:
            await store.close()

    run(body())
