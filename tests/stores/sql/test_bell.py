"""A ring is a kindness: what goes wrong with it must not reach those who write."""

import asyncio
from datetime import timedelta

import pytest

from jobyard.stores.sql import schema
from jobyard.stores.sql.bell import Bell
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.samples import sample_job

LONG = timedelta(minutes=5)


async def heard(bell: Bell) -> None:
    async with asyncio.timeout(10):
        await bell.heard(LONG)


@pytest.fixture
def bells(tmp_path):
    made = [Bell(tmp_path / "wake") for _ in range(3)]
    yield made
    for bell in made:
        bell.close()


async def test_all_others_hear_a_ring(bells) -> None:
    ringer, *listeners = bells
    for listener in listeners:
        await listener.heard(timedelta(0))
    ringer.ring()
    await asyncio.gather(*(heard(listener) for listener in listeners))


async def test_many_rings_never_block_and_are_heard_once(bells) -> None:
    ringer, listener, _ = bells
    await listener.heard(timedelta(0))
    for _ in range(10_000):
        ringer.ring()
    await heard(listener)
    hearing = asyncio.create_task(listener.heard(LONG))
    await asyncio.sleep(0)
    assert not hearing.done()
    ringer.ring()
    await asyncio.wait_for(hearing, 10)


async def test_the_socket_of_a_dead_listener_is_swept(bells, tmp_path) -> None:
    ringer, listener, _ = bells
    await listener.heard(timedelta(0))
    listener._in.close()  # as the kernel does for one that was killed
    listener._in = None
    assert list((tmp_path / "wake").iterdir())
    ringer.ring()
    assert not list((tmp_path / "wake").iterdir())


async def test_writes_go_on_when_the_directory_of_the_bell_is_gone(tmp_path) -> None:
    path = tmp_path / "jobs.db"
    schema.upgrade(path)
    store = SqlStore(path)
    try:
        (tmp_path / "wake").rmdir()
        for _ in range(2):
            async with asyncio.timeout(10):
                await store.create(sample_job())
    finally:
        await store.close()


async def test_a_deep_data_directory_is_no_obstacle(tmp_path) -> None:
    path = tmp_path / ("deep" * 40) / "jobs.db"
    schema.upgrade(path)
    one, two = SqlStore(path), SqlStore(path)
    try:
        await two.changed(timedelta(0))
        async with asyncio.timeout(10):
            await one.create(sample_job())
            await two.changed(LONG)
    finally:
        await one.close()
        await two.close()
