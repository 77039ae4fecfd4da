"""What users can do with jobs, over a real database."""

from datetime import datetime, timedelta
from random import Random

import pytest

from jobyard.domain.errors import Conflict, NotFound
from jobyard.domain.people import LOCAL
from jobyard.domain.state import Standing, State, Wanted
from jobyard.services.jobs import Draft, Jobs, Listing, new_id
from jobyard.stores.base import ChangeKind
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.samples import NOON, sample_job

WORK = sample_job().work
HOUR = timedelta(hours=1)


@pytest.fixture
async def store(tmp_path):
    path = tmp_path / "jobs.db"
    schema.upgrade(path)
    store = SqlStore(path)
    yield store
    await store.close()


@pytest.fixture
def jobs(store) -> Jobs:
    return Jobs(store, clock=lambda: NOON, max_runtime=None, max_attempts=3)


def draft(**changes) -> Draft:
    return Draft(**{"api": "tes", "work": WORK, **changes})


async def test_a_draft_becomes_a_queued_job(jobs) -> None:
    made = await jobs.create(
        LOCAL, draft(name="n", description="d", tags={"k": ""}, warnings=["a field was ignored"])
    )
    assert (made.state, made.wanted, made.owner, made.api) == (State.QUEUED, Wanted.RUN, "local", "tes")
    assert (made.name, made.description, made.tags, made.created) == ("n", "d", {"k": ""}, NOON)
    assert made.work == WORK
    assert made.attempt.system_log == ("a field was ignored",)
    assert await jobs.get(LOCAL, made.id) == made
    assert await jobs.standing(LOCAL, made.id) == Standing(State.QUEUED, Wanted.RUN)


@pytest.mark.parametrize(
    "asked, limit, applies",
    [
        (None, None, None),
        (HOUR, None, HOUR),
        (None, HOUR, HOUR),
        (HOUR, HOUR / 2, HOUR / 2),
        (HOUR, HOUR * 2, HOUR),
    ],
)
async def test_the_shorter_time_limit_applies(store, asked, limit, applies) -> None:
    jobs = Jobs(store, clock=lambda: NOON, max_runtime=limit, max_attempts=1)
    assert (await jobs.create(LOCAL, draft(time_limit=asked))).time_limit == applies


@pytest.mark.parametrize("asked, applies", [(None, 3), (1, 1), (7, 7)])
async def test_attempts_are_as_many_as_asked_or_else_as_configured(jobs, asked, applies) -> None:
    assert (await jobs.create(LOCAL, draft(max_attempts=asked))).max_attempts == applies


async def test_a_repeated_request_makes_one_job(jobs) -> None:
    first = await jobs.create(LOCAL, draft(once=("key", "digest")))
    assert await jobs.create(LOCAL, draft(once=("key", "digest"))) == first
    with pytest.raises(Conflict):
        await jobs.create(LOCAL, draft(once=("key", "another")))
    assert await jobs.list(LOCAL, Listing(limit=10)) == [first]


async def test_lists_are_filtered_and_paged_newest_first(jobs) -> None:
    made = [await jobs.create(LOCAL, draft(name=f"n{index % 2}", tags={"k": "v"})) for index in range(6)]
    await jobs.cancel(LOCAL, made[4].id)
    listing = Listing(
        limit=2,
        before=made[5].number,
        standings=frozenset({Standing(State.QUEUED, Wanted.RUN)}),
        name_prefix="n0",
        tags={"k": ""},
    )
    assert await jobs.list(LOCAL, listing) == [made[2], made[0]]
    assert [brief.id for brief in await jobs.list_briefs(LOCAL, listing)] == [made[2].id, made[0].id]


async def test_a_cancel_only_says_what_is_wanted_however_often(jobs, store) -> None:
    made = await jobs.create(LOCAL, draft())
    for _ in range(2):
        await jobs.cancel(LOCAL, made.id)
    assert await jobs.standing(LOCAL, made.id) == Standing(State.QUEUED, Wanted.CANCEL)
    assert [change.kind for change in await store.changes(0, 10)] == [ChangeKind.CREATED, ChangeKind.WANTED]


async def test_an_unknown_job_is_not_found(jobs) -> None:
    for ask in (jobs.get, jobs.standing, jobs.cancel):
        with pytest.raises(NotFound):
            await ask(LOCAL, "nothing")


def test_ids_are_safe_in_addresses_and_sort_by_time() -> None:
    random = Random(1)
    before = datetime.now(NOON.tzinfo)
    ids = [new_id(random) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(id) == 26 and id.isalnum() and id.islower() for id in ids)
    assert [id[:10] for id in ids] == sorted(id[:10] for id in ids)
    milliseconds = 0
    for character in ids[0][:10]:
        milliseconds = milliseconds * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(character)
    assert abs(milliseconds / 1000 - before.timestamp()) < 60
