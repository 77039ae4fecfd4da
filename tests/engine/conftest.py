"""An engine over a real database and an executor that is told what happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobyard.domain.job import Job
from jobyard.domain.state import State
from jobyard.engine.reconcile import Policy
from jobyard.engine.supervisor import Engine, Options
from jobyard.stores.base import ChangeKind, JobStore, Visibility
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore
from jobyard.testing.scripted import ScriptedExecutor

EVERYBODY = Visibility()
DEADLINE = 20  # seconds


@dataclass
class Clock:
    """The system's clock, set forward at will."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Running:
    """One engine at work."""

    stop: asyncio.Event
    ready: asyncio.Event
    task: asyncio.Task[None]

    async def ended(self) -> None:
        """Ask it to stop, and wait until it has. Raises what it raised."""
        self.stop.set()
        await self.task


@dataclass
class Yard:
    """What the tests see: jobs in the store, as another process sees them."""

    store: JobStore
    """Never the engine's own, so that what is written here rings at the engine and the other way round."""
    executor: ScriptedExecutor
    clock: Clock
    open_store: Callable[[], JobStore]
    options: Options
    everybody: Visibility = EVERYBODY

    @asynccontextmanager
    async def engine(self, holder: str = "one") -> AsyncIterator[Running]:
        async with self.starting(holder) as running:
            async with asyncio.timeout(DEADLINE):
                await running.ready.wait()
            yield running

    @asynccontextmanager
    async def starting(self, holder: str = "one") -> AsyncIterator[Running]:
        """An engine that may have to wait for its lease. Stopped at the end, if the test has not."""
        options = replace(self.options, holder=holder)
        store = self.open_store()
        engine = Engine(store, self.executor, options, clock=self.clock)
        stop, ready = asyncio.Event(), asyncio.Event()
        running = Running(stop, ready, asyncio.create_task(engine.run(stop, ready.set)))
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait([running.task])
            await store.close()

    async def get(self, job: Job) -> Job:
        return await self.store.get(job.id, EVERYBODY)

    async def until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        """The job once `holds` is true of it."""
        async with asyncio.timeout(DEADLINE):
            while not holds(now := await self.get(job)):
                await self.store.changed(timedelta(seconds=DEADLINE))
        return now

    async def until_in(self, job: Job, state: State, *, attempt: int = 1) -> Job:
        """The job once it is there; fails at once if it ended elsewhere."""

        def there(now: Job) -> bool:
            assert not now.state.terminal or now.state is state, now
            return now.state is state and now.attempt.number == attempt

        return await self.until(job, there)

    async def story(self, job: Job) -> list[State]:
        """The states it went through."""
        changes = await self.store.changes(0, 10_000)
        return [
            change.state for change in changes if change.id == job.id and change.kind is not ChangeKind.WANTED
        ]

    async def cancel(self, job: Job) -> None:
        assert await self.store.want_cancel(job.id, EVERYBODY, at=self.clock())


Make = Callable[[ScriptedExecutor], Awaitable[Yard]]


@pytest.fixture
async def yard_of(tmp_path: Path) -> AsyncIterator[Make]:
    """A yard on a given executor."""
    path = tmp_path / "jobs.db"
    schema.upgrade(path)
    async with AsyncExitStack() as stack:

        async def make(executor: ScriptedExecutor) -> Yard:
            store = SqlStore(path)
            stack.push_async_callback(store.close)
            await store.changed(timedelta(0))  # listens from here on
            options = Options(
                holder="one",
                lease_ttl=timedelta(seconds=0.3),
                poll_interval=timedelta(seconds=30),
                log_interval=timedelta(seconds=0.02),
                policy=Policy(retry_delay=timedelta(seconds=0.02), retry_delay_max=timedelta(seconds=0.1)),
            )
            return Yard(store, executor, Clock(), lambda: SqlStore(path), options)

        yield make


@pytest.fixture
async def yard(yard_of: Make) -> Yard:
    return await yard_of(ScriptedExecutor())
