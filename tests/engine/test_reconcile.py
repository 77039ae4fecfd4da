"""What is decided, for any order of looks, cancels, misfortunes and restarts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobyard.domain.job import Attempt, CommandLog, Job
from jobyard.domain.state import MOVES, ON_A_BACKEND, State, Wanted
from jobyard.engine.reconcile import Effect, Policy, decide
from jobyard.executors.base import Observation, Outcome, Phase
from jobyard.testing.samples import NOON, sample_job
from jobyard.testing.scripted import FINALIZING, GONE, RUNNING, STARTING, SUCCEEDED, ended

POLICY = Policy(retry_delay=timedelta(seconds=10), retry_delay_max=timedelta(minutes=1))
PHASES = list(Phase)
SELDOM = st.sampled_from([False, False, False, True])
LINES = st.lists(st.sampled_from(["pulling", "stored"]), max_size=2)  # repeated lines are lines of their own


class Life(RuleBasedStateMachine):
    """One job between an engine that may die at any time and a backend that does as it likes."""

    @initialize(most=st.integers(1, 4), warnings=st.lists(st.just("a field was ignored"), max_size=2))
    def create(self, most, warnings) -> None:
        attempt = Attempt(number=1, system_log=tuple(warnings))
        self.job: Job = replace(sample_job(max_attempts=most), attempts=(attempt,))
        self.warnings = warnings
        self.backend: Observation = GONE
        self.handle: str | None = None
        """What the living engine knows, beside what is saved."""
        self.started: list[int] = []
        self.told: dict[int, tuple[str, ...]] = {}
        """The lines of each attempt that a look has seen."""

    @precondition(lambda self: self.job.state is State.QUEUED and self.job.wanted is Wanted.RUN)
    @rule()
    def place(self) -> None:
        self.keep(self.job.move(State.INITIALIZING))

    @precondition(lambda self: not self.job.state.terminal and self.job.wanted is Wanted.RUN)
    @rule(really=SELDOM)
    def cancel(self, really) -> None:
        self.job = replace(self.job, wanted=Wanted.CANCEL) if really else self.job

    @precondition(lambda self: self.backend.phase not in {Phase.GONE, Phase.ENDED})
    @rule(
        phases=st.sampled_from([0, 0, 0, 1, 1, 2, 3]), lines=LINES, commands=st.integers(0, 2), data=st.data()
    )
    def go_on(self, phases, lines, commands, data) -> None:
        """The backend goes on, perhaps through several phases that nobody sees."""
        phase = PHASES[min(PHASES.index(self.backend.phase) + phases, len(PHASES) - 1)]
        is_end = phase is Phase.ENDED
        self.backend = replace(
            self.backend,
            phase=phase,
            outcome=data.draw(st.sampled_from(Outcome)) if is_end else None,
            passing=is_end and data.draw(st.booleans()),
            system_log=(*self.backend.system_log, *lines),
            commands=(CommandLog(exit_code=0),) * max(commands, len(self.backend.commands)),
        )

    @precondition(lambda self: self.backend.phase is not Phase.GONE)
    @rule(really=SELDOM)
    def lose(self, really) -> None:
        """The backend forgets."""
        self.backend = GONE if really else self.backend

    @rule()
    def restart(self) -> None:
        """The engine dies, and the next finds what is on the backend."""
        self.handle = None
        if self.backend.phase is not Phase.GONE:
            self.adopt()

    @precondition(
        lambda self: (
            self.job.state in ON_A_BACKEND or self.job.state.terminal or self.job.wanted is Wanted.CANCEL
        )
    )
    @rule(dies=SELDOM)
    def look(self, dies) -> None:
        seen = self.backend if self.handle else GONE
        before = self.job
        decision = decide(before, seen, now=NOON, policy=POLICY)
        assert decide(before, seen, now=NOON, policy=POLICY) == decision
        if dies:
            return  # between look and save
        if seen.phase is not Phase.GONE and decision.steps:
            self.told[before.attempt.number] = seen.system_log
        for step in decision.steps:
            self.keep(step)
        self.act(decision.effect)
        if before.wanted is Wanted.CANCEL and seen.phase in {Phase.GONE, Phase.ENDED}:
            assert self.job.state is State.CANCELED or before.state.terminal

    def act(self, effect: Effect) -> None:
        match effect:
            case Effect.START:
                assert self.job.wanted is Wanted.RUN
                assert self.job.state is State.INITIALIZING
                assert self.job.attempt.number not in self.started
                self.started.append(self.job.attempt.number)
                self.backend = STARTING
                self.adopt()
            case Effect.CANCEL:
                assert self.job.wanted is Wanted.CANCEL
            case Effect.CLEAN:
                assert self.job.state not in ON_A_BACKEND
                self.backend = GONE
                self.handle = None
            case Effect.NOTHING:
                pass

    def adopt(self) -> None:
        self.handle = f"{self.job.id}.{self.job.attempt.number}"
        self.job = self.job.with_attempt(replace(self.job.attempt, handle=self.handle))

    def keep(self, now: Job) -> None:
        """Save one step, if it is lawful."""
        was = self.job
        assert not was.state.terminal
        assert now.state is was.state or now.state in MOVES[was.state]
        assert now.wanted is was.wanted
        assert len(now.attempts) >= len(was.attempts)
        self.job = now

    @invariant()
    def attempts_are_numbered_and_limited(self) -> None:
        assert [attempt.number for attempt in self.job.attempts] == [
            index + 1 for index in range(len(self.job.attempts))
        ]
        assert len(self.job.attempts) <= self.job.max_attempts

    @invariant()
    def at_most_the_latest_attempt_has_not_ended(self) -> None:
        assert all(attempt.ended for attempt in self.job.attempts[:-1])
        if self.job.state.terminal:
            assert self.job.attempt.ended

    @invariant()
    def no_line_is_lost_or_told_twice(self) -> None:
        for attempt in self.job.attempts:
            own = [line for line in attempt.system_log if line in {"pulling", "stored"}]
            assert own == list(self.told.get(attempt.number, ()))
            warnings = self.warnings if attempt.number == 1 else []
            assert list(attempt.system_log[: len(warnings)]) == warnings


Life.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestLife = Life.TestCase


def looked_at(job: Job, seen: Observation) -> Job:
    decision = decide(job, seen, now=NOON, policy=POLICY)
    return decision.steps[-1] if decision.steps else job


@pytest.mark.parametrize("seen", [STARTING, RUNNING, FINALIZING])
def test_a_look_that_sees_nothing_new_saves_nothing(seen) -> None:
    job = looked_at(sample_job().move(State.INITIALIZING), seen)
    assert decide(job, seen, now=NOON, policy=POLICY).steps == ()


def test_a_look_that_comes_late_does_not_move_a_job_back() -> None:
    job = looked_at(sample_job().move(State.INITIALIZING), FINALIZING)
    for seen in (STARTING, RUNNING):
        assert looked_at(job, seen).state is State.FINALIZING


@pytest.mark.parametrize("seen", [SUCCEEDED, ended(Outcome.FAILED), ended(Outcome.OUT_OF_MEMORY)])
def test_states_that_no_look_saw_are_walked_through(seen) -> None:
    job = sample_job().move(State.INITIALIZING)
    steps = decide(job, seen, now=NOON, policy=POLICY).steps
    assert [step.state for step in steps][:2] == [State.INITIALIZING, State.RUNNING]


def test_the_work_s_own_failure_is_never_tried_again() -> None:
    job = sample_job(max_attempts=5).move(State.INITIALIZING)
    assert looked_at(job, ended(Outcome.FAILED)).state is State.FAILED


@pytest.mark.parametrize("outcome", [Outcome.PREEMPTED, Outcome.CANCELED])
def test_an_attempt_that_others_ended_is_tried_again(outcome) -> None:
    job = sample_job(max_attempts=2).move(State.INITIALIZING)
    again = looked_at(job, ended(outcome))
    assert again.state is State.QUEUED
    assert again.not_before == NOON + POLICY.retry_delay


def test_delays_double_up_to_the_most() -> None:
    seconds = [POLICY.delay(attempts).total_seconds() for attempts in (1, 2, 3, 4, 5, 10_000)]
    assert seconds == [10, 20, 40, 60, 60, 60]
