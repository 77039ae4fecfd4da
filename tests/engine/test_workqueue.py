"""Equal keys merge, no key is worked on twice at once, a failing key backs off alone."""

import asyncio
from collections import Counter

import pytest

from jobyard.domain.errors import Fenced
from jobyard.engine.workqueue import WorkQueue


class Worker:
    """Work that waits to be let go on, and counts."""

    def __init__(self) -> None:
        self.begun = Counter()
        self.at_work = Counter()
        self.gate = asyncio.Event()
        self.changed = asyncio.Event()
        self.fail: dict[str, Exception] = {}

    async def __call__(self, key: str) -> None:
        self.begun[key] += 1
        self.at_work[key] += 1
        self.changed.set()
        assert self.at_work[key] == 1, "twice at once"
        await self.gate.wait()
        self.at_work[key] -= 1
        if key in self.fail:
            raise self.fail[key]

    async def until(self, holds) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def worker() -> Worker:
    return Worker()


@pytest.fixture
async def queue(worker):
    queue = WorkQueue(worker)
    yield queue
    await queue.close()


async def test_puts_during_the_work_lead_to_one_more_round(queue, worker) -> None:
    queue.put("a")
    await worker.until(lambda: worker.begun["a"] == 1)
    for _ in range(5):
        queue.put("a")
    worker.gate.set()
    await worker.until(lambda: worker.begun["a"] == 2)
    queue.put("b")
    await worker.until(lambda: worker.begun["b"] == 1)
    assert worker.begun == {"a": 2, "b": 1}


async def test_different_keys_are_worked_on_at_once(queue, worker) -> None:
    for key in "abc":
        queue.put(key)
    await worker.until(lambda: sum(worker.at_work.values()) == 3)


async def test_a_key_that_fails_is_tried_again_and_holds_up_nobody(queue, worker) -> None:
    worker.gate.set()
    worker.fail["bad"] = ValueError("not yet")
    queue.put("bad")
    await worker.until(lambda: worker.begun["bad"] == 1)
    queue.put("good")
    await worker.until(lambda: worker.begun["good"] == 1)
    assert worker.begun["bad"] == 1
    del worker.fail["bad"]
    await worker.until(lambda: worker.begun["bad"] == 2)


async def test_a_lost_lease_breaks_the_queue(queue, worker) -> None:
    worker.gate.set()
    worker.fail["a"] = worker.fail["b"] = Fenced("the lease has gone")
    queue.put("a")
    queue.put("b")
    with pytest.raises(Fenced):
        await asyncio.wait_for(queue.broken(), 10)


async def test_nothing_goes_on_after_the_close(worker) -> None:
    before = asyncio.all_tasks()
    queue = WorkQueue(worker)
    worker.fail["bad"] = ValueError("not yet")
    for key in ("bad", "good"):
        queue.put(key)
    await worker.until(lambda: len(worker.begun) == 2)
    queue.put("good")
    await queue.close()
    assert asyncio.all_tasks() <= before
    assert worker.begun == {"bad": 1, "good": 1}
