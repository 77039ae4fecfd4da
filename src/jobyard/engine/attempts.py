"""Looks after the jobs that are on an executor: observes, decides (`reconcile`), saves, acts."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from jobyard.domain.errors import Conflict, Failure
from jobyard.domain.job import Job, JobId
from jobyard.domain.resources import Amount, Request
from jobyard.domain.state import State
from jobyard.engine.reconcile import Decision, Effect, Policy, decide, record
from jobyard.executors.base import Executor, Handle, Observation, Outcome, Phase, Spec, attempt_key
from jobyard.stores.base import JobStore, Lease, Visibility

log = structlog.stdlib.get_logger(__name__)

EVERYBODY = Visibility()
_GONE = Observation(phase=Phase.GONE)
_USES_NOTHING = frozenset({Phase.FINALIZING, Phase.ENDED})
"""Phases in which an attempt's commands have ended, so that its part of the machine is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What others want to know of a job, at once, before anything is saved."""

    freed: Callable[[JobId], None]
    """Its commands have ended."""
    requeued: Callable[[Job], None]
    """It waits for another attempt."""


class Attempts:
    """One engine's jobs on one executor. All methods are for the engine's one event loop."""

    def __init__(
        self,
        store: JobStore,
        executor: Executor,
        *,
        lease: Lease,
        policy: Policy,
        clock: Callable[[], datetime],
        hooks: Hooks,
    ) -> None:
        self._store = store
        self._executor = executor
        self._lease = lease
        self._policy = policy
        self._clock = clock
        self._hooks = hooks
        self._jobs: dict[JobId, Job] = {}
        self._handles: dict[JobId, Handle] = {}
        self._ids: dict[Handle, JobId] = {}
        self._failures: dict[JobId, Observation] = {}
        """Attempts that the executor refused to start."""
        self._stale: set[JobId] = set()

    def __contains__(self, id: JobId) -> bool:
        return id in self._jobs

    def refresh(self, id: JobId) -> None:
        """Somebody wants something else of the job: look it up at the next `reconcile`."""
        if id in self._jobs:
            self._stale.add(id)

    async def adopt(self, jobs: Sequence[Job]) -> None:
        """Look after jobs that an engine before this one put on the executor, or was about to."""
        keys = {attempt_key(job.id, job.attempt.number): job for job in jobs}
        handles = await self._executor.find(keys)
        for key, job in keys.items():
            self._jobs[job.id] = job
            if key in handles:
                self._started(job, handles[key])
        for handle in await self._executor.held():
            if handle not in self._ids:  # its job ended, and the engine before it could clean up
                await self._executor.clean(handle)

    def amount_of(self, request: Request) -> Amount:
        return request.amount(self._executor.default)

    def ids(self) -> list[JobId]:
        return list(self._jobs)

    def jobs_of(self, handles: Iterable[Handle]) -> list[JobId]:
        return [self._ids[handle] for handle in handles if handle in self._ids]

    async def place(self, job: Job) -> None:
        """Take a queued job: from now on something of it may exist. Raises `Conflict` if it has changed."""
        attempt = replace(job.attempt, backend=self._executor.name)
        taken = job.with_attempt(attempt).move(State.INITIALIZING)
        self._jobs[job.id] = await self._save(job, taken)

    async def end(self, job: Job, state: State, *, was: Job) -> None:
        """End a queued job that cannot run. One that has changed meanwhile is left to the next look."""
        with contextlib.suppress(Conflict):
            ended = replace(job.attempt, ended=self._clock())
            await self._save(was, job.with_attempt(ended).move(state))

    async def reconcile(self, id: JobId) -> None:
        """Bring one job nearer to what is wanted; to be called whenever something about it may have changed.

        A job that is not on the executor may be given too: it is canceled if that is wanted.
        """
        job = self._jobs.get(id) or await self._store.get(id, EVERYBODY)
        looking = True
        while looking:
            if id in self._stale:
                self._stale.discard(id)
                await self._reload(job)
            job = self._jobs.get(id, job)
            seen = await self._observe(job)
            if seen.phase in _USES_NOTHING:
                self._hooks.freed(id)
            decision = decide(job, seen, now=self._clock(), policy=self._policy)
            if decision.steps:
                try:
                    job = await self._save(job, *decision.steps)
                except Conflict:
                    await self._reload(job)
                    continue
                self._jobs[id] = job
            looking = await self._act(job, decision)

    async def record_progress(self) -> None:
        """Save what running commands have printed since the last look."""
        running = {
            handle: job
            for id, handle in self._handles.items()
            if (job := self._jobs[id]).state is State.RUNNING
        }
        if not running:
            return
        seen = await self._executor.observe(running)
        await asyncio.gather(*(self._record(job, seen.get(handle, _GONE)) for handle, job in running.items()))

    async def _record(self, job: Job, seen: Observation) -> None:
        recorded = job.with_attempt(record(job.attempt, seen))
        if seen.phase is not Phase.RUNNING or recorded == job or self._jobs.get(job.id) is not job:
            return
        try:
            self._jobs[job.id] = await self._save(job, recorded)
        except Conflict:
            log.debug("progress not recorded, the job has moved on", job=job.id)

    async def _observe(self, job: Job) -> Observation:
        if job.id in self._failures:
            return self._failures[job.id]
        handle = self._handles.get(job.id)
        if handle is None:
            return _GONE
        return (await self._executor.observe([handle])).get(handle, _GONE)

    async def _act(self, job: Job, decision: Decision) -> bool:
        """Returns whether to look again at once."""
        match decision.effect:
            case Effect.NOTHING:
                return False
            case Effect.START:
                await self._start(job)
                return True
            case Effect.CANCEL:
                await self._executor.cancel(self._handles[job.id])
                return False
            case Effect.CLEAN:
                await self._clean(job)
                return False

    async def _start(self, job: Job) -> None:
        spec = Spec(
            job=job.id,
            attempt=job.attempt.number,
            work=job.work,
            amount=self.amount_of(job.work.resources or Request()),
            time_limit=job.time_limit,
        )
        try:
            handle = await self._executor.start(spec)
        except Failure as error:
            self._failures[job.id] = Observation(
                phase=Phase.ENDED,
                outcome=Outcome.ERRORED,
                passing=error.passing,
                system_log=(str(error),),
            )
            return
        self._started(job, handle)

    def _started(self, job: Job, handle: Handle) -> None:
        self._handles[job.id] = handle
        self._ids[handle] = job.id
        self._jobs[job.id] = job.with_attempt(replace(job.attempt, handle=handle))

    async def _clean(self, job: Job) -> None:
        """Forget an ended attempt; a job to be tried again goes back to the queue."""
        handle = self._handles.get(job.id)
        if handle is not None:
            await self._executor.clean(handle)
            del self._handles[job.id], self._ids[handle]
        self._failures.pop(job.id, None)
        self._jobs.pop(job.id, None)
        self._stale.discard(job.id)
        self._hooks.freed(job.id)
        if job.state is State.QUEUED:
            self._hooks.requeued(job)

    async def _reload(self, job: Job) -> None:
        """Somebody asked for something else meanwhile. The handle may not be saved yet."""
        stored = await self._store.get(job.id, EVERYBODY)
        attempt = replace(stored.attempt, handle=self._handles.get(job.id))
        self._jobs[job.id] = stored.with_attempt(attempt)

    async def _save(self, was: Job, *steps: Job) -> Job:
        saved = await self._store.save(was, *steps, at=self._clock(), lease=self._lease)
        if saved.state is not was.state:
            tell = log.info if saved.state.terminal else log.debug
            tell("job moved", job=saved.id, state=saved.state.value, attempt=saved.attempt.number)
        return saved
