"""Runs the engine's loops under a lease, and stops them in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from jobyard.domain.errors import Fenced, Unavailable
from jobyard.domain.job import Job, JobId
from jobyard.engine.attempts import Attempts, Hooks
from jobyard.engine.dispatch import Dispatch
from jobyard.engine.queue import Queue
from jobyard.engine.reconcile import Policy
from jobyard.engine.workqueue import WorkQueue
from jobyard.executors.base import Executor
from jobyard.stores.base import JobStore, Lease

log = structlog.stdlib.get_logger(__name__)

LEASE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    holder: str
    """Names this engine among others: the same after a restart on the same data."""
    lease_ttl: timedelta
    poll_interval: timedelta
    log_interval: timedelta
    policy: Policy
    line: int = 20_000
    """Queued jobs that are kept in memory; the others wait in the store."""


class Engine:
    """Makes what is wanted so, for the jobs of one store on one executor."""

    def __init__(
        self, store: JobStore, executor: Executor, options: Options, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._executor = executor
        self._options = options
        self._clock = clock

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Until `stop` is set. What runs on the executor goes on. Raises `Fenced` when the lease is lost.

        `ready` is called once the engine has its lease and knows all jobs.
        """
        lease = await self._first_lease(stop)
        if lease is None:
            return
        try:
            await self._under(lease, stop, ready)
        finally:
            await self._store.release(lease)

    async def _first_lease(self, stop: asyncio.Event) -> Lease | None:
        while not stop.is_set():
            lease = await self._acquire()
            if lease is not None:
                return lease
            log.info("another engine holds the lease, waiting")
            await _wait(stop, self._options.lease_ttl / 3)
        return None

    async def _under(self, lease: Lease, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        tenure = _Tenure(self._store, self._executor, self._options, lease, self._clock)
        await tenure.begin()
        ready()
        renewing = _every(self._options.lease_ttl / 3, lambda: self._renew(lease))
        try:
            await _until(stop, {"lease": renewing, **tenure.loops()})
        finally:
            await tenure.end()

    async def _acquire(self) -> Lease | None:
        return await self._store.acquire(
            LEASE, self._options.holder, self._options.lease_ttl, at=self._clock()
        )

    async def _renew(self, lease: Lease) -> None:
        if await self._acquire() != lease:
            raise Fenced("the engine's lease has gone to another engine")


class _Tenure:
    """What an engine does while it holds its lease."""

    def __init__(
        self,
        store: JobStore,
        executor: Executor,
        options: Options,
        lease: Lease,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._executor = executor
        self._options = options
        self._work = WorkQueue(self._look_at)
        self._attempts = Attempts(
            store,
            executor,
            lease=lease,
            policy=options.policy,
            clock=clock,
            hooks=Hooks(freed=self._freed, requeued=self._requeued),
        )
        self._dispatch = Dispatch(
            store,
            self._attempts,
            Queue(executor.capacity),
            line=options.line,
            clock=clock,
            reconcile=self._work.put,
        )

    async def begin(self) -> None:
        """Learn what there is, and go on with it."""
        present = await self._store.on_backend()
        for job in present:
            self._dispatch.hold(job)
        await self._attempts.adopt(present)
        await self._dispatch.load()
        await self._look_at_all()

    def loops(self) -> Mapping[str, Awaitable[None]]:
        options = self._options
        return {
            "changes": _forever(self._read_changes),
            "dispatch": _forever(self._dispatch.start_what_fits),
            "executor": _forever(self._hear_executor),
            "progress": _every(options.log_interval, self._attempts.record_progress),
            "poll": _every(options.poll_interval, self._look_at_all),
            "work": self._work.broken(),
        }

    async def end(self) -> None:
        await self._work.close()

    async def _look_at(self, id: JobId) -> None:
        await self._dispatch.settle(id)
        await self._attempts.reconcile(id)

    async def _read_changes(self) -> None:
        await self._dispatch.read_changes()
        await self._store.changed(self._options.poll_interval)

    async def _hear_executor(self) -> None:
        for id in self._attempts.jobs_of(await self._executor.changed()):
            self._work.put(id)

    async def _look_at_all(self) -> None:
        """The safety net under the executor's wake-ups."""
        for id in self._attempts.ids():
            self._work.put(id)

    def _freed(self, id: JobId) -> None:
        self._dispatch.free(id)

    def _requeued(self, job: Job) -> None:
        self._dispatch.requeue(job)


async def _forever(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except Unavailable:
            log.exception("the loop goes on after an outage")
            await asyncio.sleep(1)


async def _every(period: timedelta, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(period.total_seconds())
        try:
            await step()
        except Unavailable:
            log.exception("the loop goes on after an outage")


async def _until(stop: asyncio.Event, loops: Mapping[str, Awaitable[None]]) -> None:
    """Run all until `stop`. A loop that ends otherwise ends all: no silent half-life."""
    stopping = asyncio.create_task(stop.wait())
    tasks = {asyncio.ensure_future(loop): name for name, loop in loops.items()}
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, *tasks):
        task.cancel()
    await asyncio.gather(stopping, *tasks, return_exceptions=True)
    for task, name in tasks.items():
        if task in done and (error := task.exception()) is not None:
            log.error("a loop of the engine ended", loop=name)
            raise error


async def _wait(stop: asyncio.Event, period: timedelta) -> None:
    try:
        async with asyncio.timeout(period.total_seconds()):
            await stop.wait()
    except TimeoutError:
        return
