"""What is seen and what is wanted → the next state and what to do: pure, safe to ask any number of times."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from jobyard.domain.job import Attempt, Job
from jobyard.domain.state import ON_A_BACKEND, State, Wanted
from jobyard.executors.base import Observation, Outcome, Phase


class Effect(Enum):
    """What is to be done on the backend after the steps are saved."""

    NOTHING = auto()
    START = auto()
    CANCEL = auto()
    CLEAN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and how soon an attempt is repeated that failed by the system's fault."""

    retry_delay: timedelta
    retry_delay_max: timedelta

    def delay(self, attempts: int) -> timedelta:
        """Before the next attempt, when there were so many: doubled each time, up to the most."""
        doublings = min(attempts - 1, 32)
        return min(self.retry_delay * (1 << doublings), self.retry_delay_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    steps: tuple[Job, ...] = ()
    """The job on its way to what it should be, one value a state; none if nothing has changed."""
    effect: Effect = Effect.NOTHING


_ENDS: Mapping[Outcome, tuple[State, ...]] = {
    Outcome.SUCCEEDED: (State.RUNNING, State.FINALIZING, State.COMPLETED),
    Outcome.FAILED: (State.RUNNING, State.FINALIZING, State.FAILED),
    Outcome.ERRORED: (State.ERRORED,),
    Outcome.TIMED_OUT: (State.RUNNING, State.TIMED_OUT),
    Outcome.OUT_OF_MEMORY: (State.RUNNING, State.OUT_OF_MEMORY),
    Outcome.PREEMPTED: (State.PREEMPTED,),
    Outcome.CANCELED: (State.ERRORED,),  # by somebody else: who cancels here has it in `wanted`
}
"""By which states each outcome leads to which end; a look may have missed those between."""

_LOST = Observation(
    phase=Phase.ENDED,
    outcome=Outcome.ERRORED,
    passing=True,
    system_log=("the attempt is gone from the backend, which no longer knows how it ended",),
)

_PHASES: Mapping[Phase, tuple[State, ...]] = {
    Phase.GONE: (),
    Phase.STARTING: (),
    Phase.RUNNING: (State.RUNNING,),
    Phase.FINALIZING: (State.RUNNING, State.FINALIZING),
    Phase.ENDED: (),
}

_ORDER: Mapping[State, int] = {
    State.INITIALIZING: 0,
    State.RUNNING: 1,
    State.SUSPENDED: 1,
    State.FINALIZING: 2,
}


def decide(job: Job, seen: Observation, *, now: datetime, policy: Policy) -> Decision:
    """For a job that may exist on a backend, or is queued and not to start any more."""
    if job.state.terminal:
        return Decision(effect=Effect.CLEAN)
    if job.wanted is Wanted.CANCEL:
        return _cancel(job, seen, now)
    if job.state not in ON_A_BACKEND:
        return Decision()
    match seen.phase:
        case Phase.GONE if job.state is State.INITIALIZING and job.attempt.handle is None:
            return Decision(effect=Effect.START)
        case Phase.GONE | Phase.ENDED:
            # What is gone is not started again: its commands may have run.
            return _end(job, _LOST if seen.phase is Phase.GONE else seen, now, policy)
        case Phase.STARTING | Phase.RUNNING | Phase.FINALIZING:
            recorded = job.with_attempt(record(job.attempt, seen))
            steps = _walk(recorded, _PHASES[seen.phase])
            return Decision(steps=steps if _worth_saving(job, steps[-1]) else ())


def _worth_saving(was: Job, now: Job) -> bool:
    """Not every look is: what is only a start time can wait for the next move."""
    return (
        now.state is not was.state
        or now.attempt.system_log != was.attempt.system_log
        or len(now.attempt.commands) != len(was.attempt.commands)
        or len(now.attempt.outputs) != len(was.attempt.outputs)
    )


def _cancel(job: Job, seen: Observation, now: datetime) -> Decision:
    recorded = job.with_attempt(record(job.attempt, seen))
    if job.state in {State.DRAFT, State.HELD, State.QUEUED}:
        return Decision(steps=(_ended(recorded, now).move(State.CANCELED),), effect=Effect.CLEAN)
    if seen.phase not in {Phase.ENDED, Phase.GONE}:
        steps = () if job.state is State.CANCELING else (recorded.move(State.CANCELING),)
        return Decision(steps=steps, effect=Effect.CANCEL)
    canceling = recorded if job.state is State.CANCELING else recorded.move(State.CANCELING)
    canceled = _ended(canceling, now).move(State.CANCELED)
    return Decision(steps=(canceling, canceled), effect=Effect.CLEAN)


def _end(job: Job, seen: Observation, now: datetime, policy: Policy) -> Decision:
    assert seen.outcome is not None
    recorded = _ended(job.with_attempt(record(job.attempt, seen)), now)
    again = seen.passing or seen.outcome in {Outcome.PREEMPTED, Outcome.CANCELED}
    if again and len(job.attempts) < job.max_attempts:
        return Decision(steps=(_retried(recorded, now, policy),), effect=Effect.CLEAN)
    return Decision(steps=_walk(recorded, _ENDS[seen.outcome]), effect=Effect.CLEAN)


def _retried(job: Job, now: datetime, policy: Policy) -> Job:
    delay = policy.delay(len(job.attempts))
    tries = f"{len(job.attempts) + 1} of {job.max_attempts}"
    noted = job.noted(f"attempt {tries} follows in {delay.total_seconds():g} s")
    queued = noted.move(State.QUEUED)
    attempts = (*queued.attempts, Attempt(number=len(job.attempts) + 1))
    return replace(queued, attempts=attempts, not_before=now + delay)


def _walk(job: Job, way: tuple[State, ...]) -> tuple[Job, ...]:
    """Through the states of `way` that still lie ahead."""
    steps = [job]
    for state in way:
        if _ORDER.get(state, len(_ORDER)) > _ORDER[steps[-1].state]:
            steps.append(steps[-1].move(state))
    return tuple(steps)


def _ended(job: Job, now: datetime) -> Job:
    if job.attempt.ended is not None:
        return job
    return job.with_attempt(replace(job.attempt, ended=now))


def record(attempt: Attempt, seen: Observation) -> Attempt:
    """The attempt with what was seen of it. An executor that knows nothing changes nothing."""
    if seen.phase is Phase.GONE:
        return attempt
    return replace(
        attempt,
        started=seen.started or attempt.started,
        ended=seen.ended or attempt.ended,
        commands=seen.commands or attempt.commands,
        outputs=seen.outputs or attempt.outputs,
        system_log=_appended(attempt.system_log, seen.system_log),
        metadata=attempt.metadata | seen.metadata,
    )


def _appended(kept: tuple[str, ...], seen: tuple[str, ...]) -> tuple[str, ...]:
    """`kept` ends with the first lines of `seen`, as far as they were known; the others follow."""
    for known in range(min(len(kept), len(seen)), 0, -1):
        if kept[-known:] == seen[:known]:
            return kept + seen[known:]
    return kept + seen
