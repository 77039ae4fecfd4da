"""Feeds the queue from the store, and puts jobs from the queue on the executor."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from jobyard.domain.errors import Conflict
from jobyard.domain.job import Job, JobId
from jobyard.domain.resources import GB, Amount, Request
from jobyard.domain.state import State, Wanted
from jobyard.engine.attempts import EVERYBODY, Attempts
from jobyard.engine.queue import Entry, Queue
from jobyard.stores.base import Change, ChangeKind, JobStore, Waiting

_PAGE = 1000


class Dispatch:
    """Keeps in line what the store says is queued, and starts what fits."""

    def __init__(
        self,
        store: JobStore,
        attempts: Attempts,
        queue: Queue,
        *,
        line: int,
        clock: Callable[[], datetime],
        reconcile: Callable[[JobId], None],
    ) -> None:
        """About `line` jobs at the most are kept in memory. `reconcile` is called for each job to be looked
        at, and must return at once.
        """
        self._store = store
        self._attempts = attempts
        self._queue = queue
        self._line = line
        self._clock = clock
        self._reconcile = reconcile
        self._newest = 0
        """Number of the newest job put in line."""
        self._more = False
        """Whether others may wait behind it."""
        self._sequence = 0
        """The last change read."""
        self._loading = asyncio.Lock()
        self._room = asyncio.Event()
        self._later: dict[JobId, asyncio.TimerHandle] = {}
        self._too_large: dict[JobId, Amount] = {}

    async def load(self) -> None:
        """At the start: everything that waits. What happens meanwhile is in the changes read after."""
        await self._store.changed(timedelta(0))  # from here on, rings are kept for the next call
        self._sequence = await self._store.last_change()
        await self._load_waiting()

    async def read_changes(self) -> None:
        """Take up what people asked for since the last time."""
        while changes := await self._store.changes(self._sequence, _PAGE):
            self._sequence = changes[-1].sequence
            if any(change.kind is ChangeKind.CREATED for change in changes):
                await self._load_waiting()
            for change in changes:
                self._take_up(change)

    async def start_what_fits(self) -> None:
        """Wait until there may be something to start, then start all that fits."""
        await self._room.wait()
        self._room.clear()
        while entry := self._queue.next():
            self._reconcile(entry.id)
        if self._more and len(self._queue) < self._line // 2:
            await self._load_waiting()

    async def settle(self, id: JobId) -> None:
        """Put a job on the executor whose turn it is; end one that no turn will ever come for."""
        if id in self._too_large:
            await self._refuse(id, self._too_large[id])
            del self._too_large[id]
        elif self._queue.holds(id) and id not in self._attempts:
            await self._place(id)

    async def _place(self, id: JobId) -> None:
        """A job that has changed meanwhile gives its turn back."""
        job = await self._store.get(id, EVERYBODY)
        if job.state is not State.QUEUED or job.wanted is not Wanted.RUN:
            self.free(id)
            return
        try:
            await self._attempts.place(job)
        except Conflict:
            self.free(id)
            self._reconcile(id)

    async def _refuse(self, id: JobId, amount: Amount) -> None:
        job = await self._store.get(id, EVERYBODY)
        if job.state is not State.QUEUED or job.wanted is not Wanted.RUN:
            return
        reason = f"the job asks for {_told(amount)}; this machine has {_told(self._queue.capacity)} for jobs"
        await self._attempts.end(job.noted(reason), State.ERRORED, was=job)

    def free(self, id: JobId) -> None:
        """A job's commands have ended, or it will not start."""
        self._queue.release(id)
        self._room.set()

    def hold(self, job: Job) -> None:
        """Count a job that an engine before this one started."""
        self._queue.hold(job.id, self._attempts.amount_of(job.work.resources or Request()))

    def requeue(self, job: Job) -> None:
        """A job waits for another attempt."""
        request = job.work.resources or Request()
        self._line_up(Waiting(job.number, job.id, request, job.not_before))

    async def _load_waiting(self) -> None:
        """As many as the line takes; the others wait in the store until it is shorter."""
        async with self._loading:
            self._more = True
            while len(self._queue) < self._line:
                page = await self._store.waiting(self._newest, _PAGE)
                for waiting in page:
                    self._line_up(waiting)
                    self._newest = waiting.number
                if not page:
                    self._more = False
                    return

    def _line_up(self, waiting: Waiting) -> None:
        delay = (waiting.not_before - self._clock()).total_seconds() if waiting.not_before else 0
        if delay > 0:
            loop = asyncio.get_running_loop()
            self._later[waiting.id] = loop.call_later(delay, self._line_up, waiting._replace(not_before=None))
            return
        self._later.pop(waiting.id, None)
        amount = self._attempts.amount_of(waiting.request)
        if not self._queue.fits_ever(amount):
            self._too_large[waiting.id] = amount
            self._reconcile(waiting.id)
            return
        self._queue.add(Entry(waiting.number, waiting.id), amount)
        self._room.set()

    def _take_up(self, change: Change) -> None:
        if change.kind is ChangeKind.WANTED:
            self._queue.discard(change.id)
            self._attempts.refresh(change.id)
            later = self._later.pop(change.id, None)
            if later is not None:
                later.cancel()
            self._reconcile(change.id)


def _told(amount: Amount) -> str:
    return f"{amount.cores} cores, {amount.memory / GB:g} GB of memory and {amount.disk / GB:g} GB of disk"
