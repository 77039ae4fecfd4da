"""Runs the engine's loops under a lease, and stops them in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from jobyard.domain.errors import Fenced, Unavailable
from jobyard.domain.job import JobId
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
        work: WorkQueue[JobId] = WorkQueue(lambda job_id: self._work(dispatch, attempts, job_id))
        hooks = Hooks(
            freed=lambda job_id: dispatch.free(job_id),  # noqa: PLW0108 (dispatch comes later)
            requeued=lambda job: dispatch.requeue(job),  # noqa: PLW0108
        )
        attempts = Attempts(
            self._store,
            self._executor,
            lease=lease,
            policy=self._options.policy,
            clock=self._clock,
            hooks=hooks,
        )
        queue = Queue(self._executor.capacity)
        dispatch = Dispatch(
            self._store,
            attempts,
            queue,
            line=self._options.line,
            clock=self._clock,
            reconcile=work.put,
        )
        present = await self._store.on_backend()
        for job in present:
            dispatch.hold(job)
        await attempts.adopt(present)
        await dispatch.load()
        for job in present:
            work.put(job.id)
        ready()
        loops = {
            "changes": self._forever(lambda: self._read_changes(dispatch)),
            "dispatch": self._forever(dispatch.start_what_fits),
            "executor": self._forever(lambda: self._hear_executor(attempts, work)),
            "progress": self._every(self._options.log_interval, attempts.record_progress),
            "lease": self._every(self._options.lease_ttl / 3, lambda: self._renew(lease)),
            "poll": self._every(self._options.poll_interval, lambda: self._look_at_all(attempts, work)),
            "work": work.broken(),
        }
        try:
            await _until(stop, loops)
        finally:
            await work.close()

    async def _work(self, dispatch: Dispatch, attempts: Attempts, id: JobId) -> None:
        await dispatch.settle(id)
        await attempts.reconcile(id)

    async def _read_changes(self, dispatch: Dispatch) -> None:
        await dispatch.read_changes()
        await self._store.changed(self._options.poll_interval)

    async def _hear_executor(self, attempts: Attempts, work: WorkQueue[JobId]) -> None:
        for id in attempts.jobs_of(await self._executor.changed()):
            work.put(id)

    async def _look_at_all(self, attempts: Attempts, work: WorkQueue[JobId]) -> None:
        """The safety net under the executor's wake-ups."""
        for id in attempts.ids():
            work.put(id)

    async def _acquire(self) -> Lease | None:
        return await self._store.acquire(
            LEASE, self._options.holder, self._options.lease_ttl, at=self._clock()
        )

    async def _renew(self, lease: Lease) -> None:
        if await self._acquire() != lease:
            raise Fenced("the engine's lease has gone to another engine")

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Unavailable:
                log.exception("the loop goes on after an outage")
                await asyncio.sleep(1)

    async def _every(self, period: timedelta, step: Callable[[], Awaitable[None]]) -> None:
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
