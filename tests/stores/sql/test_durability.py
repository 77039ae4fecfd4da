"""What the store has acknowledged stays, whatever happens to its process; and what breaks, breaks alone."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from jobyard.domain.errors import NotFound, Unavailable
from jobyard.stores.base import Once, Query, Visibility
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore, open_engine
from jobyard.testing.samples import NOON, sample_job

EVERYBODY = Visibility()

CREATES_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.samples import sample_job

async def write(store, name):
    while True:
        job = await store.create(sample_job(id=f"{name}-{write.count}"))
        write.count += 1
        print(job.id, flush=True)

async def main():
    store = SqlStore(Path(sys.argv[1]))
    write.count = 0
    await asyncio.gather(*(write(store, name) for name in "abcdef"))

asyncio.run(main())
"""

FILLS_THE_DISK = """
import asyncio, resource, sys
from pathlib import Path
from jobyard.domain.errors import Unavailable
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.samples import sample_job

async def main():
    store = SqlStore(Path(sys.argv[1]))
    print((await store.create(sample_job())).id)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    refused = 0
    while refused < 3:
        try:
            print((await store.create(sample_job(name="x" * 4000))).id)
        except Unavailable:
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print((await store.create(sample_job())).id)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "jobs.db"
    schema.upgrade(path)
    return path


@pytest.fixture
async def store(path):
    store = SqlStore(path)
    yield store
    await store.close()


def killed_writer(path) -> list[str]:
    """Ids that a process acknowledged before it was killed in the middle."""
    command = [sys.executable, "-c", CREATES_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        acknowledged = [writer.stdout.readline().strip() for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    return acknowledged


async def test_acknowledged_jobs_survive_the_kill_of_their_writer(path) -> None:
    acknowledged = killed_writer(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = SqlStore(path)
    try:
        for id in acknowledged:
            await store.get(id, EVERYBODY)
        assert await store.last_change() >= len(acknowledged) >= 200
        await store.create(sample_job())
    finally:
        await store.close()


def writer_on_a_full_disk(path) -> list[str]:
    """Ids that a process acknowledged before its disk was full and after there was room again."""
    command = [sys.executable, "-c", FILLS_THE_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


async def test_a_full_disk_refuses_writes_until_there_is_room(path, store) -> None:
    acknowledged = writer_on_a_full_disk(path)
    assert len(acknowledged) > 2
    listed = await store.list(Query(visible=EVERYBODY, limit=1000))
    assert [job.id for job in reversed(listed)] == acknowledged


async def test_every_connection_keeps_the_promises(path) -> None:
    engine = open_engine(path)
    try:
        with engine.connect() as one, engine.connect() as two:
            for connection in (one, two):
                told = {
                    pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
                    for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                }
                full = 2
                assert told == {
                    "journal_mode": "wal",
                    "synchronous": full,
                    "foreign_keys": 1,
                    "busy_timeout": 20_000,
                }
    finally:
        engine.dispose()


async def test_a_write_that_breaks_leaves_the_others_of_its_transaction_alone(path, store) -> None:
    taken = await store.create(sample_job())
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")  # so that all of the following meet in one transaction
        writes = [
            store.create(sample_job()),
            store.create(sample_job(), once=Once("ada", "key", "digest")),
            store.create(sample_job(id=taken.id)),
            store.create(sample_job(), once=Once("ada", "key", "digest")),
            store.create(sample_job(name="no text: \ud800")),
            store.want_cancel(taken.id, EVERYBODY, at=NOON),
            store.want_cancel("nothing", EVERYBODY, at=NOON),
            store.create(sample_job()),
        ]
        tasks = [asyncio.ensure_future(write) for write in writes]
        await asyncio.sleep(0)
        blocker.execute("ROLLBACK")
    first, once, duplicate, again, no_text, wanted, nothing, last = await asyncio.gather(
        *tasks, return_exceptions=True
    )
    assert isinstance(duplicate, Unavailable)
    assert isinstance(no_text, UnicodeEncodeError)
    assert isinstance(nothing, NotFound)
    assert wanted is True
    assert once == again
    listed = await store.list(Query(visible=EVERYBODY, limit=10))
    assert [job.id for job in listed] == [last.id, once.id, first.id, taken.id]


async def test_a_broken_database_is_unavailable_until_it_is_mended(path, store) -> None:
    job = await store.create(sample_job())
    lease = await store.acquire("engine", "a", timedelta(hours=1), at=NOON)
    query = Query(visible=EVERYBODY, limit=10, name_prefix="x")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE jobs RENAME TO lost")
        for ask in (
            store.ping,
            lambda: store.create(sample_job()),
            lambda: store.get(job.id, EVERYBODY),
            lambda: store.standing(job.id, EVERYBODY),
            lambda: store.list(query),
            lambda: store.list_briefs(Query(visible=EVERYBODY, limit=10)),
            lambda: store.want_cancel(job.id, EVERYBODY, at=NOON),
            lambda: store.save(job, job.noted("x"), at=NOON, lease=lease),
            lambda: store.waiting(0, 1),
            store.on_backend,
            store.count,
            lambda: store.changes(0, 1),
        ):
            with pytest.raises(Unavailable, match="try again") as raised:
                await ask()
            assert str(path) not in str(raised.value)
            assert raised.value.__cause__ is not None
        other.execute("ALTER TABLE lost RENAME TO jobs")
    await store.ping()
    assert await store.get(job.id, EVERYBODY) == job
    await store.create(sample_job())


async def test_a_closed_store_refuses_writes(path) -> None:
    store = SqlStore(path)
    await store.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(store.create(sample_job()), 10)


async def test_writes_asked_for_before_the_close_are_made(path) -> None:
    store = SqlStore(path)
    tasks = [asyncio.create_task(store.create(sample_job())) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    jobs = await asyncio.gather(*tasks)
    assert len({job.number for job in jobs}) == 20
