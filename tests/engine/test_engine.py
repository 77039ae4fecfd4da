"""The whole engine: what people ask for and what happens on the backend, to what becomes of the jobs."""

import asyncio
import gc
from dataclasses import replace
from datetime import timedelta

import pytest

from jobyard.domain.errors import Failure, Fenced
from jobyard.domain.job import CommandLog
from jobyard.domain.resources import Amount
from jobyard.domain.state import State
from jobyard.engine.attempts import Attempts
from jobyard.engine.dispatch import Dispatch
from jobyard.engine.queue import Queue
from jobyard.engine.reconcile import Policy
from jobyard.engine.supervisor import LEASE
from jobyard.engine.workqueue import WorkQueue
from jobyard.executors.base import Observation, Outcome, Phase
from jobyard.testing.samples import sample_job
from jobyard.testing.scripted import (
    FINALIZING,
    GONE,
    RUNNING,
    STARTING,
    SUCCEEDED,
    ScriptedExecutor,
    ended,
)

ERRORED_FOR_NOW = ended(Outcome.ERRORED, passing=True, system_log=("the disk was full",))
NEVER = timedelta(hours=1)


def starts(executor: ScriptedExecutor) -> list[str]:
    return [spec.key for spec in executor.started]


async def test_a_job_runs_to_its_end(yard) -> None:
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await yard.until_in(job, State.INITIALIZING)
        await yard.executor.until(lambda: yard.executor.started)
        for seen, state in [
            (RUNNING, State.RUNNING),
            (FINALIZING, State.FINALIZING),
            (SUCCEEDED, State.COMPLETED),
        ]:
            yard.executor.show(f"{job.id}.1", seen)
            await yard.until_in(job, state)
        await yard.executor.until(lambda: not yard.executor.present)
    assert await yard.story(job) == [
        State.QUEUED,
        State.INITIALIZING,
        State.RUNNING,
        State.FINALIZING,
        State.COMPLETED,
    ]
    done = (await yard.get(job)).attempt
    assert done.backend == "scripted"
    assert done.handle == f"{job.id}.1"
    assert done.ended is not None
    assert starts(yard.executor) == [f"{job.id}.1"]


@pytest.mark.parametrize(
    "outcome, state",
    [
        (Outcome.SUCCEEDED, State.COMPLETED),
        (Outcome.FAILED, State.FAILED),
        (Outcome.ERRORED, State.ERRORED),
        (Outcome.TIMED_OUT, State.TIMED_OUT),
        (Outcome.OUT_OF_MEMORY, State.OUT_OF_MEMORY),
        (Outcome.PREEMPTED, State.PREEMPTED),
        (Outcome.CANCELED, State.ERRORED),
    ],
)
async def test_each_outcome_has_its_end_even_if_no_look_saw_the_job_run(yard, outcome, state) -> None:
    yard.executor.begins = ended(outcome)
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await yard.until_in(job, state)


async def test_jobs_created_while_no_engine_ran_are_run_by_the_next(yard) -> None:
    yard.executor.begins = SUCCEEDED
    jobs = [await yard.store.create(sample_job()) for _ in range(3)]
    async with yard.engine():
        for job in jobs:
            await yard.until_in(job, State.COMPLETED)


async def test_a_passing_error_leads_to_another_attempt_after_a_while(yard) -> None:
    yard.executor.begins = ERRORED_FOR_NOW
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=5))
        waiting = await yard.until(job, lambda now: now.attempt.number == 2)
        yard.executor.begins = SUCCEEDED
        done = await yard.until_in(job, State.COMPLETED, attempt=waiting.attempt.number)
    changes = [change for change in await yard.store.changes(0, 100) if change.state is State.INITIALIZING]
    assert len(changes) == 2
    assert done.not_before is not None
    assert changes[1].at >= done.not_before
    first, second = done.attempts
    assert "the disk was full" in first.system_log
    assert any("attempt 2 of 5" in line for line in first.system_log)
    assert first.ended is not None
    assert second.system_log == ()


async def test_attempts_are_not_repeated_more_often_than_allowed(yard) -> None:
    yard.executor.begins = ERRORED_FOR_NOW
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=3))
        done = await yard.until(job, lambda now: now.state is State.ERRORED)
    assert [attempt.number for attempt in done.attempts] == [1, 2, 3]
    assert starts(yard.executor) == [f"{job.id}.{number}" for number in (1, 2, 3)]


async def test_an_error_for_good_is_not_tried_again(yard) -> None:
    yard.executor.begins = ended(Outcome.ERRORED, system_log=("no such image",))
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=3))
        done = await yard.until_in(job, State.ERRORED)
    assert done.attempt.system_log == ("no such image",)


async def test_a_refusal_to_start_ends_the_job_with_the_reason(yard) -> None:
    job = sample_job(max_attempts=3)
    yard.executor.refuse(f"{job.id}.1", Failure("there is no such image"))
    async with yard.engine():
        await yard.store.create(job)
        done = await yard.until_in(job, State.ERRORED)
    assert done.attempt.system_log == ("there is no such image",)
    assert done.attempt.ended is not None


async def test_a_passing_refusal_to_start_leads_to_another_attempt(yard) -> None:
    yard.executor.begins = SUCCEEDED
    job = sample_job(max_attempts=2)
    yard.executor.refuse(f"{job.id}.1", Failure("no room on the disk", passing=True))
    async with yard.engine():
        await yard.store.create(job)
        done = await yard.until_in(job, State.COMPLETED, attempt=2)
    assert done.attempts[0].system_log[0] == "no room on the disk"


async def test_a_job_too_large_for_the_machine_ends_at_once_while_others_run(yard_of) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=2), begins=RUNNING))
    async with yard.engine():
        before = await yard.store.create(sample_job(cores=2))
        await yard.until_in(before, State.RUNNING)
        large = await yard.store.create(sample_job(cores=5, max_attempts=3))
        done = await yard.until_in(large, State.ERRORED)
        assert (await yard.get(before)).state is State.RUNNING
    assert "asks for 5 cores" in done.attempt.system_log[0]
    assert "this machine has 2 cores" in done.attempt.system_log[0]
    assert starts(yard.executor) == [f"{before.id}.1"]


async def test_equal_jobs_start_in_the_order_of_their_creation(yard_of) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=1), begins=RUNNING))
    jobs = [await yard.store.create(sample_job()) for _ in range(5)]
    async with yard.engine():
        for job in jobs:
            await yard.until_in(job, State.RUNNING)
            assert yard.executor.present == {f"{job.id}.1"}
            yard.executor.show(f"{job.id}.1", SUCCEEDED)
            await yard.until_in(job, State.COMPLETED)
    assert starts(yard.executor) == [f"{job.id}.1" for job in jobs]


async def test_a_finished_command_makes_room_before_its_outputs_are_stored(yard_of) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=1), begins=RUNNING))
    first, second = [await yard.store.create(sample_job()) for _ in range(2)]
    async with yard.engine():
        await yard.until_in(first, State.RUNNING)
        yard.executor.show(f"{first.id}.1", FINALIZING)
        await yard.until_in(second, State.RUNNING)
        assert (await yard.get(first)).state is State.FINALIZING


async def test_live_tails_of_the_streams_are_recorded_while_a_command_runs(yard) -> None:
    yard.executor.begins = RUNNING
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await yard.until_in(job, State.RUNNING)
        for tail in ("one\n", "one\ntwo\n"):
            log = CommandLog(stdout=tail)
            yard.executor.show(f"{job.id}.1", replace(RUNNING, commands=(log,)))
            await yard.until(job, lambda now, log=log: now.attempt.commands == (log,))
    assert (await yard.get(job)).state is State.RUNNING


async def enter_queued(yard, job) -> None:
    await yard.until_in(job, State.QUEUED)


async def enter_retry(yard, job) -> None:
    await yard.executor.until(lambda: f"{job.id}.1" in starts(yard.executor))
    yard.executor.show(f"{job.id}.1", ERRORED_FOR_NOW)
    await yard.until_in(job, State.QUEUED, attempt=2)


async def enter_initializing(yard, job) -> None:
    await yard.until_in(job, State.INITIALIZING)
    await yard.executor.until(lambda: f"{job.id}.1" in starts(yard.executor))


async def enter_running(yard, job) -> None:
    await enter_initializing(yard, job)
    yard.executor.show(f"{job.id}.1", RUNNING)
    await yard.until_in(job, State.RUNNING)


async def enter_finalizing(yard, job) -> None:
    await enter_running(yard, job)
    yard.executor.show(f"{job.id}.1", FINALIZING)
    await yard.until_in(job, State.FINALIZING)


@pytest.mark.parametrize(
    "enter, room, started",
    [
        (enter_queued, 1, False),
        (enter_retry, 2, True),
        (enter_initializing, 2, True),
        (enter_running, 2, True),
        (enter_finalizing, 2, True),
    ],
)
async def test_a_cancel_ends_a_job_wherever_it_is_and_nothing_starts_after(
    yard_of, enter, room, started
) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=room)))
    yard.options = replace(yard.options, policy=Policy(retry_delay=NEVER, retry_delay_max=NEVER))
    async with yard.engine():
        other = await yard.store.create(sample_job())
        await yard.until_in(other, State.INITIALIZING)
        job = await yard.store.create(sample_job(max_attempts=2))
        await enter(yard, job)
        await yard.cancel(job)
        done = await yard.until_in(job, State.CANCELED, attempt=2 if enter is enter_retry else 1)
        assert not await yard.store.want_cancel(job.id, yard.everybody, at=yard.clock())
        yard.executor.show(f"{other.id}.1", SUCCEEDED)
        await yard.until_in(other, State.COMPLETED)
        follower = await yard.store.create(sample_job(cores=room))
        await yard.until_in(follower, State.INITIALIZING)
        await yard.executor.until(lambda: yard.executor.present == {f"{follower.id}.1"})
    assert starts(yard.executor).count(f"{job.id}.1") == started
    assert f"{job.id}.2" not in starts(yard.executor)
    assert done.attempt.ended is not None


async def test_a_cancel_waits_for_the_backend_to_end_the_attempt(yard) -> None:
    yard.executor.ends_on_cancel = False
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        await yard.cancel(job)
        await yard.until_in(job, State.CANCELING)
        await yard.executor.until(lambda: yard.executor.canceled)
        yard.executor.show(f"{job.id}.1", ended(Outcome.CANCELED))
        await yard.until_in(job, State.CANCELED)


async def test_work_that_ends_in_a_race_with_its_cancel_is_canceled(yard) -> None:
    yard.executor.ends_on_cancel = False
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        await yard.cancel(job)
        await yard.until_in(job, State.CANCELING)
        yard.executor.show(f"{job.id}.1", SUCCEEDED)
        await yard.until_in(job, State.CANCELED)


async def test_a_job_canceled_while_no_engine_ran_never_starts(yard) -> None:
    job = await yard.store.create(sample_job())
    await yard.cancel(job)
    async with yard.engine():
        await yard.until_in(job, State.CANCELED)
    assert starts(yard.executor) == []


async def test_a_job_canceled_between_its_turn_and_its_start_never_starts(yard) -> None:
    lease = await yard.store.acquire(LEASE, "one", NEVER, at=yard.clock())
    job = await yard.store.create(sample_job())
    await yard.store.save(job, job.move(State.INITIALIZING), at=yard.clock(), lease=lease)
    await yard.cancel(job)  # and the engine dies here
    async with yard.engine():
        await yard.until_in(job, State.CANCELED)
    assert starts(yard.executor) == []


async def test_a_job_whose_engine_died_between_its_turn_and_its_start_is_started(yard) -> None:
    yard.executor.begins = SUCCEEDED
    lease = await yard.store.acquire(LEASE, "one", NEVER, at=yard.clock())
    job = await yard.store.create(sample_job())
    await yard.store.save(job, job.move(State.INITIALIZING), at=yard.clock(), lease=lease)
    async with yard.engine():
        await yard.until_in(job, State.COMPLETED)


async def test_a_backend_that_cannot_be_asked_changes_no_job(yard) -> None:
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=3))
        await enter_running(yard, job)
        before = await yard.get(job)
        yard.executor.outage = True
        yard.executor.show(f"{job.id}.1", FINALIZING)
        await yard.executor.until(lambda: yard.executor.unanswered >= 3)
        assert await yard.get(job) == before
        yard.executor.outage = False
        yard.executor.show(f"{job.id}.1", SUCCEEDED)
        await yard.until_in(job, State.COMPLETED)


async def test_an_attempt_that_is_gone_from_the_backend_is_an_error_and_not_run_twice(yard) -> None:
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        yard.executor.show(f"{job.id}.1", GONE)
        done = await yard.until_in(job, State.ERRORED)
    assert starts(yard.executor) == [f"{job.id}.1"]
    assert "gone" in done.attempt.system_log[-1]


async def test_an_attempt_that_is_gone_is_followed_by_another_if_the_job_allows(yard) -> None:
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=2))
        await enter_running(yard, job)
        yard.executor.begins = SUCCEEDED
        yard.executor.show(f"{job.id}.1", GONE)
        await yard.until_in(job, State.COMPLETED, attempt=2)
    assert starts(yard.executor) == [f"{job.id}.1", f"{job.id}.2"]


async def test_the_next_engine_goes_on_where_one_stopped(yard) -> None:
    async with yard.engine() as first:
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        await first.ended()
    yard.executor.show(f"{job.id}.1", SUCCEEDED)
    async with yard.engine():
        await yard.until_in(job, State.COMPLETED)
    assert starts(yard.executor) == [f"{job.id}.1"]
    assert (await yard.story(job)).count(State.COMPLETED) == 1


async def test_what_an_engine_left_behind_of_an_ended_job_is_cleaned_by_the_next(yard) -> None:
    yard.executor.show("ended.1", SUCCEEDED)
    async with yard.engine():
        await yard.executor.until(lambda: not yard.executor.present)
    assert yard.executor.cleaned == ["ended.1"]


async def test_the_next_engine_counts_what_still_runs(yard_of) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=1), begins=RUNNING))
    first, second = [await yard.store.create(sample_job()) for _ in range(2)]
    async with yard.engine():
        await yard.until_in(first, State.RUNNING)
    async with yard.engine():
        yard.executor.show(f"{first.id}.1", SUCCEEDED)
        await yard.until_in(second, State.RUNNING)
    story = [
        (change.id, change.state)
        for change in await yard.store.changes(0, 100)
        if change.state in {State.COMPLETED, State.INITIALIZING}
    ]
    assert story == [
        (first.id, State.INITIALIZING),
        (first.id, State.COMPLETED),
        (second.id, State.INITIALIZING),
    ]


async def test_a_wait_for_another_attempt_outlives_the_engine(yard) -> None:
    yard.options = replace(yard.options, policy=Policy(retry_delay=NEVER, retry_delay_max=NEVER))
    async with yard.engine():
        job = await yard.store.create(sample_job(max_attempts=2))
        await enter_retry(yard, job)
    yard.executor.begins = SUCCEEDED
    yard.clock.ahead = NEVER * 2
    async with yard.engine():
        await yard.until_in(job, State.COMPLETED, attempt=2)


async def test_a_second_engine_takes_over_when_the_first_stops(yard) -> None:
    async with yard.engine("one") as one, yard.starting("two") as two:
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        assert not two.ready.is_set()
        await one.ended()
        yard.executor.show(f"{job.id}.1", SUCCEEDED)
        await yard.until_in(job, State.COMPLETED)
        assert two.ready.is_set()
    assert starts(yard.executor) == [f"{job.id}.1"]


async def test_a_second_engine_takes_over_when_the_lease_of_a_dead_one_expires(yard) -> None:
    await yard.store.acquire(LEASE, "dead", NEVER, at=yard.clock())
    yard.executor.begins = SUCCEEDED
    job = await yard.store.create(sample_job())
    async with yard.starting("two") as two:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.ready.wait(), 0.2)  # it looks every tenth of a second
        yard.clock.ahead = NEVER * 2
        await yard.until_in(job, State.COMPLETED)


async def test_an_engine_waiting_for_its_lease_stops_when_asked(yard) -> None:
    await yard.store.acquire(LEASE, "other", NEVER, at=yard.clock())
    async with yard.starting("two") as two:
        await two.ended()
    assert not two.ready.is_set()


async def test_an_engine_that_lost_its_lease_stops_and_touches_nothing_more(yard) -> None:
    before = asyncio.all_tasks()
    async with yard.engine() as one:
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        yard.executor.outage = True  # so that work is waiting to be tried again
        yard.executor.show(f"{job.id}.1", SUCCEEDED)
        await yard.executor.until(lambda: yard.executor.unanswered)
        assert await yard.store.acquire(LEASE, "two", NEVER, at=yard.clock() + NEVER)
        with pytest.raises(Fenced):
            await asyncio.wait_for(one.task, 10)
        assert asyncio.all_tasks() <= before
        assert (await yard.get(job)).state is State.RUNNING


async def test_an_engine_fenced_in_a_save_stops(yard) -> None:
    yard.options = replace(yard.options, lease_ttl=NEVER)
    async with yard.engine() as one:
        job = await yard.store.create(sample_job())
        await enter_running(yard, job)
        assert await yard.store.acquire(LEASE, "two", NEVER, at=yard.clock() + NEVER * 2)
        yard.executor.show(f"{job.id}.1", SUCCEEDED)
        with pytest.raises(Fenced):
            await asyncio.wait_for(one.task, 10)
        assert (await yard.get(job)).state is State.RUNNING


def remembered() -> dict[str, int]:
    """What live engines keep in memory: the sizes of their maps."""
    gc.collect()
    parts = [part for part in gc.get_objects() if isinstance(part, Attempts | Dispatch | Queue | WorkQueue)]
    assert parts
    return {
        f"{type(part).__name__}.{name}": len(value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, dict | set | list) and value
    }


async def test_nothing_in_memory_grows_with_finished_jobs(yard_of) -> None:
    yard = await yard_of(ScriptedExecutor(capacity=Amount(cores=2), begins=SUCCEEDED))
    async with yard.engine():
        jobs = [sample_job(cores=index % 4) for index in range(100)]
        failing = jobs[0]
        yard.executor.refuse(f"{failing.id}.1", Failure("no"))
        for job in jobs:
            await yard.store.create(job)
        for job in jobs:
            await yard.until(job, lambda now: now.state.terminal)
        async with asyncio.timeout(10):
            while remembered():  # noqa: ASYNC110 (nothing happens any more that could tell)
                await asyncio.sleep(0)
    assert yard.executor.present == set()


async def test_an_attempt_still_starting_can_be_observed_any_number_of_times(yard) -> None:
    seen = Observation(phase=Phase.STARTING, system_log=("pulling the image",))
    async with yard.engine():
        job = await yard.store.create(sample_job())
        await enter_initializing(yard, job)
        for _ in range(3):
            yard.executor.show(f"{job.id}.1", seen)
            await yard.until(job, lambda now: now.attempt.system_log == ("pulling the image",))
        yard.executor.show(f"{job.id}.1", STARTING)
        yard.executor.show(f"{job.id}.1", replace(SUCCEEDED, system_log=("pulling the image", "stored")))
        done = await yard.until_in(job, State.COMPLETED)
    assert done.attempt.system_log == ("pulling the image", "stored")


async def test_more_jobs_than_the_line_takes_all_run_in_their_order(yard_of) -> None:
    executor = ScriptedExecutor(capacity=Amount(cores=1, memory=10**12, disk=10**12), begins=SUCCEEDED)
    yard = await yard_of(executor)
    yard.options = replace(yard.options, line=4)
    jobs = [await yard.store.create(sample_job()) for _ in range(30)]
    async with yard.engine():
        for job in jobs:
            await yard.until_in(job, State.COMPLETED)
    assert [spec.job for spec in executor.started] == [job.id for job in jobs]
