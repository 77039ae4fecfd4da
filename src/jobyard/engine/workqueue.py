"""A queue of keys: equal keys merge, no key is worked on twice at once, a failing key backs off alone."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from jobyard.domain.errors import Fenced

log = structlog.stdlib.get_logger(__name__)

K = TypeVar("K", bound=Hashable)

_FIRST_DELAY = timedelta(seconds=0.2)
_LAST_DELAY = timedelta(seconds=30)


class WorkQueue(Generic[K]):
    """Calls `work(key)` for every key put, at least once after each put. Many keys are worked on at once."""

    def __init__(self, work: Callable[[K], Awaitable[None]]) -> None:
        self._work = work
        self._tasks: dict[K, asyncio.Task[None]] = {}
        self._again: set[K] = set()
        self._delays: dict[K, timedelta] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, key: K) -> None:
        if key in self._tasks:
            self._again.add(key)
            return
        task = asyncio.create_task(self._run(key))
        self._tasks[key] = task

    async def broken(self) -> None:
        """Wait until going on makes no sense, and raise why: the lease is lost."""
        await self._broken

    async def close(self) -> None:
        """Cut short what is being worked on, and start no more. A write that was asked for is still made."""
        self._again.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._broken.cancel()

    async def _run(self, key: K) -> None:
        try:
            await self._once(key)
            while key in self._again:
                self._again.discard(key)
                await self._once(key)
        except Fenced as error:
            if not self._broken.done():
                self._broken.set_exception(error)
        finally:
            del self._tasks[key]

    async def _once(self, key: K) -> None:
        try:
            await self._work(key)
            self._delays.pop(key, None)
        except Fenced:
            raise
        except Exception:
            delay = self._delays.get(key, _FIRST_DELAY)
            log.exception("work failed, will be tried again", key=key, seconds=delay.total_seconds())
            self._delays[key] = min(delay * 2, _LAST_DELAY)
            await asyncio.sleep(delay.total_seconds())
            self._again.add(key)
