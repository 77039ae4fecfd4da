"""The state table, and that a job obeys it."""

from dataclasses import FrozenInstanceError
from itertools import product

import pytest

from jobyard.domain.errors import Conflict
from jobyard.domain.job import Attempt
from jobyard.domain.state import MOVES, ON_A_BACKEND, TERMINAL, State
from jobyard.testing.samples import sample_job


def reachable(start: State) -> set[State]:
    seen, ahead = {start}, [start]
    while ahead:
        fresh = MOVES[ahead.pop()] - seen
        seen |= fresh
        ahead += fresh
    return seen


def test_the_table_has_every_state() -> None:
    assert set(MOVES) == set(State)


def test_the_ends_are_these() -> None:
    assert {
        State.COMPLETED,
        State.FAILED,
        State.ERRORED,
        State.CANCELED,
        State.PREEMPTED,
        State.TIMED_OUT,
        State.OUT_OF_MEMORY,
    } == TERMINAL
    assert all(state.terminal == (state in TERMINAL) for state in State)


def test_every_state_can_be_reached_from_a_draft() -> None:
    assert reachable(State.DRAFT) == set(State)


def test_from_every_state_a_cancel_can_be_reached_unless_the_job_has_ended() -> None:
    for state in set(State) - TERMINAL:
        assert State.CANCELED in reachable(state)


def test_nothing_leads_out_of_an_end_or_to_itself_or_back_to_a_draft() -> None:
    assert all(not MOVES[state] for state in TERMINAL)
    assert all(state not in after for state, after in MOVES.items())
    assert all(State.DRAFT not in after for after in MOVES.values())


def test_a_cancel_that_is_carried_out_ends_canceled() -> None:
    assert MOVES[State.CANCELING] == {State.CANCELED}


def test_a_job_completes_only_when_its_outputs_are_stored() -> None:
    assert {state for state, after in MOVES.items() if State.COMPLETED in after} == {State.FINALIZING}


def test_a_backend_is_entered_through_initializing_only() -> None:
    entered = {
        to for state, after in MOVES.items() if state not in ON_A_BACKEND for to in after & ON_A_BACKEND
    }
    assert entered == {State.INITIALIZING}


def job_in(state: State):
    """A job walked there along the table."""
    ways = {State.QUEUED: sample_job()}
    ahead = [State.QUEUED]
    while ahead:
        here = ahead.pop()
        for to in MOVES[here] - set(ways):
            ways[to] = ways[here].move(to)
            ahead.append(to)
    return ways[state]


@pytest.mark.parametrize("before, after", list(product(list(State)[1:], State)))
def test_a_job_moves_along_the_table_only(before, after) -> None:
    job = job_in(before)
    if after in MOVES[before]:
        moved = job.move(after)
        assert moved.state is after
        assert job.state is before
    else:
        with pytest.raises(Conflict, match=f"job {job.id} is {before} and cannot become {after}"):
            job.move(after)


def test_a_job_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        sample_job().state = State.COMPLETED


def test_notes_go_to_the_latest_attempt() -> None:
    job = sample_job().noted("first")
    second = job.with_attempt(job.attempt).noted("second")
    assert second.attempt == Attempt(number=1, system_log=("first", "second"))
    assert job.attempt.system_log == ("first",)
