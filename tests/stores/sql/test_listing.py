"""Lists over many jobs: each filter has its index, nothing large is sorted, and all ways tell the same."""

import sqlite3
from contextlib import closing
from itertools import islice, product

import pytest
from sqlalchemy import event, select

from jobyard.domain.state import Standing, State, Wanted
from jobyard.stores.base import Query, Visibility
from jobyard.stores.sql import codec, listing, schema
from jobyard.stores.sql.store import SqlStore, open_engine
from jobyard.stores.sql.tables import documents, jobs
from jobyard.testing.samples import NOON, sample_job

EVERYBODY = Visibility()
MANY = 30_000
COLUMNS = select(jobs, documents.c.document).join_from(jobs, documents, jobs.c.number == documents.c.number)

DONE = Standing(State.COMPLETED, Wanted.RUN)
QUEUED = Standing(State.QUEUED, Wanted.RUN)
FAILED = Standing(State.FAILED, Wanted.RUN)

COMMON_NAME, RARE_NAME = "common-", "rare-"
COMMON_TAG, RARE_TAG, RARE_VALUE = {"all": "x"}, {"few": ""}, {"odd": "7"}
SORT = "USE TEMP B-TREE FOR ORDER BY"


def is_rare(number: int) -> bool:
    return number % 1000 == 7


def row_of(number: int) -> dict[str, object]:
    rare = is_rare(number)
    return {
        "number": number,
        "id": f"j{number}",
        "created": int(NOON.timestamp() * 1_000_000) + number,
        "name": f"{RARE_NAME if rare else COMMON_NAME}{number}",
        "state": "queued" if rare else "completed",
        "owner": "bob" if rare else "ada",
    }


def fill(path) -> None:
    """Jobs as the store writes them: one in a thousand is rare in every way."""
    schema.upgrade(path)
    job = sample_job(owner="ada")
    values = codec.job_values(job)
    numbers = range(1, MANY + 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join(['?'] * len(values))})",
            (tuple((values | row_of(number)).values()) for number in numbers),
        )
        document = codec.document_of(job)
        connection.executemany("INSERT INTO documents VALUES (?, ?)", ((n, document) for n in numbers))
        tags = [(n, "all", "x") for n in numbers]
        tags += [(n, "odd", str(n % 1000)) for n in numbers]
        tags += [(n, "few", "y") for n in numbers if is_rare(n)]
        connection.executemany("INSERT INTO tags (number, key, value) VALUES (?, ?, ?)", tags)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "jobs.db"
    fill(path)
    return path


def query(**conditions) -> Query:
    return Query(**{"visible": EVERYBODY, "limit": 50, **conditions})


def plan(path, asked: Query) -> list[str]:
    """How SQLite goes about the statement of a page."""
    engine = open_engine(path)
    sent = []
    try:
        with engine.connect() as connection:
            page = listing.page(connection, asked, COLUMNS)

            @event.listens_for(engine, "before_cursor_execute")
            def keep(_connection, _cursor, statement, parameters, _context, _many) -> None:
                sent.append((statement, parameters))

            connection.execute(page.statement, page.values).all()
            statement, parameters = sent[-1]
            return [
                row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
    finally:
        engine.dispose()


WALKING = {
    "all": query(),
    "before": query(before=500),
    "one standing": query(standings=frozenset({DONE})),
    "tag": query(tags=COMMON_TAG),
    "any value of a tag": query(tags={"all": ""}),
    "a tag that few have": query(tags=RARE_TAG),
    "a value that few have": query(tags=RARE_VALUE),
    "two tags": query(tags={"all": "x", "odd": ""}),
    "name": query(name_prefix="common-"),
    "name, by its first letters": query(name_prefix="com"),
    "name, by one letter": query(name_prefix="c"),
    "name and tag": query(tags=COMMON_TAG, name_prefix="common-"),
    "name, tag and standing": query(tags=COMMON_TAG, name_prefix="common-", standings=frozenset({DONE})),
    "owner": query(visible=Visibility(owner="ada")),
}

RARE = {
    "tag with a common name": (query(tags=RARE_TAG, name_prefix="common-"), "tags"),
    "name": (query(name_prefix="rare-"), "ix_jobs_name_number"),
    "standing beside a common name": (
        query(name_prefix="common-", standings=frozenset({QUEUED})),
        "ix_jobs_state_wanted_number_name",
    ),
    "tag beside a common one": (query(tags=COMMON_TAG | RARE_VALUE), "ix_tags_key_value_number"),
}


def costly(steps: list[str]) -> list[str]:
    """Steps whose cost grows with what is stored. The rows of one page may be held, read and sorted."""
    before_the_page = steps[: steps.index("SCAN anon_1")] if "MATERIALIZE anon_1" in steps else steps
    scans = [step for step in steps if step.startswith("SCAN") and not step.startswith("SCAN anon_")]
    return scans + [step for step in before_the_page if SORT in step]


@pytest.mark.parametrize("name", WALKING)
def test_what_is_common_is_walked_and_never_sorted(path, name) -> None:
    assert costly(plan(path, WALKING[name])) == []


@pytest.mark.parametrize("name", RARE)
def test_what_is_rare_is_found_by_its_index(path, name) -> None:
    asked, index = RARE[name]
    steps = [step for step in plan(path, asked) if not step.startswith("MATERIALIZE")]
    assert steps[0].startswith("SEARCH")
    assert index in steps[0]
    assert not [step for step in steps if step.startswith("SCAN") and not step.startswith("SCAN anon_")], (
        steps
    )


def test_several_standings_are_merged_from_their_own_ranges(path) -> None:
    steps = plan(path, query(standings=frozenset({DONE, QUEUED, FAILED})))
    ranges = [step for step in steps if "ix_jobs_state_wanted_number_name (state=? AND wanted=? AND" in step]
    assert len(ranges) == 3, steps
    assert costly(steps) == []


async def test_all_ways_tell_what_the_conditions_say(path) -> None:
    store = SqlStore(path)
    standings = [None, frozenset({DONE}), frozenset({QUEUED, FAILED}), frozenset({DONE, QUEUED})]
    prefixes = ["", "common-", "rare-", "nobody"]
    tags = [{}, {"all": "x"}, {"few": ""}, {"odd": "7"}, {"odd": "8", "all": ""}]
    try:
        for wanted, prefix, tagged, owner, before in product(
            standings, prefixes, tags, [None, "bob"], [None, 15_000]
        ):
            asked = query(
                visible=Visibility(owner=owner),
                standings=wanted,
                name_prefix=prefix,
                tags=tagged,
                before=before,
                limit=40,
            )
            found = [brief.number for brief in await store.list_briefs(asked)]
            older = reversed(range(1, before or MANY + 1))
            assert found == list(islice((n for n in older if meets(n, asked)), 40)), asked
    finally:
        await store.close()


def meets(number: int, asked: Query) -> bool:
    """What `Query` says of the jobs that `fill` made."""
    rare = is_rare(number)
    tags = {"all": "x", "odd": str(number % 1000)} | ({"few": "y"} if rare else {})
    return (
        asked.visible.owner in {None, "bob" if rare else "ada"}
        and (asked.standings is None or (QUEUED if rare else DONE) in asked.standings)
        and f"{RARE_NAME if rare else COMMON_NAME}{number}".startswith(asked.name_prefix)
        and all(key in tags and value in {"", tags[key]} for key, value in asked.tags.items())
    )
