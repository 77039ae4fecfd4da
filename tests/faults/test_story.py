"""The campaign sees what is wrong with what a database tells."""

from collections import Counter

import pytest

from faults.story import Step, Stored, wrong_in, wrong_with
from jobyard.domain.state import State

RAN = ("queued", "initializing", "running", "finalizing", "completed")


def steps(*states: str, id: str = "a") -> list[Step]:
    """Moves, the first a creation; `!` before a state says that a cancel was accepted in it."""
    kinds = ["created", *("wanted" if state.startswith("!") else "moved" for state in states[1:])]
    return [
        Step(id=id, kind=kind, state=State(state.lstrip("!")), at=float(at))
        for at, (kind, state) in enumerate(zip(kinds, states, strict=True))
    ]


@pytest.mark.parametrize(
    "states",
    [
        RAN,
        ("queued", "!queued", "canceled"),
        ("queued", "initializing", "!initializing", "canceling", "canceled"),
        ("queued", "initializing", "queued", "initializing", "errored"),
    ],
)
def test_a_story_along_the_table_is_right(states: tuple[str, ...]) -> None:
    assert list(wrong_with(steps(*states), State(states[-1]))) == []


@pytest.mark.parametrize(
    "states, end",
    [
        (RAN[1:], "completed"),
        (("queued", "running"), "running"),
        ((*RAN, "completed"), "completed"),
        ((*RAN, "!completed"), "completed"),
        (RAN, "failed"),
        (("queued", "initializing", "!initializing", "errored"), "errored"),
        (("queued", "canceled"), "canceled"),
    ],
)
def test_another_story_is_wrong(states: tuple[str, ...], end: str) -> None:
    assert list(wrong_with(steps(*states), State(end))) != []


def stored(**changes: object) -> Stored:
    values: dict = {"broken": "", "states": {"a": State.COMPLETED}, "keys": 1, "steps": steps(*RAN)}
    return Stored(**(values | changes))


def test_a_database_with_the_tasks_that_were_acknowledged_is_right() -> None:
    assert list(wrong_in(stored(), Counter("a"))) == []


@pytest.mark.parametrize(
    "changes, tasks",
    [
        ({"broken": "row 1 missing"}, "a"),
        ({}, "ab"),
        ({}, ""),
        ({"keys": 2}, "a"),
        ({}, "aa"),
    ],
)
def test_other_tasks_than_were_acknowledged_are_wrong(changes: dict, tasks: str) -> None:
    assert list(wrong_in(stored(**changes), Counter(tasks))) != []
