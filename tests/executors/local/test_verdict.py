from datetime import UTC, datetime

import pytest

from jobyard.domain.work import Command, Work
from jobyard.executors.base import Outcome
from jobyard.executors.local.folder import Mark
from jobyard.executors.local.verdict import finished, verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def work(text: str) -> Work:
    """A command a letter; `i` ignores its error."""
    return Work(commands=tuple(Command(image="any", argv=("x",), ignore_error=it == "i") for it in text))


def marks(*codes: int | None) -> list[Mark]:
    return [Mark(NOW, None if code is None else NOW, code) for code in codes]


@pytest.mark.parametrize(
    "commands, codes, outcome",
    [
        ("c", (0,), Outcome.SUCCEEDED),
        ("c", (1,), Outcome.FAILED),
        ("i", (1,), Outcome.SUCCEEDED),
        ("icc", (1, 0, 0), Outcome.SUCCEEDED),
        ("ici", (1, 2), Outcome.FAILED),
        ("c", (), None),
        ("c", (None,), None),
        ("cc", (0,), None),
        ("ic", (1,), None),
        ("cc", (0, None), None),
    ],
)
def test_marks_say_how_it_ended(
    commands: str, codes: tuple[int | None, ...], outcome: Outcome | None
) -> None:
    assert verdict(work(commands), marks(*codes), canceled=False, timed_out=False) is outcome
    assert finished(work(commands), marks(*codes)) is (outcome is not None)


def test_a_cancel_is_stronger_than_a_time_limit_and_that_than_exit_codes() -> None:
    done = (work("c"), marks(1))
    assert verdict(*done, canceled=True, timed_out=True) is Outcome.CANCELED
    assert verdict(*done, canceled=False, timed_out=True) is Outcome.TIMED_OUT


def test_the_want_of_memory_explains_a_failure_and_hides_no_success() -> None:
    told = {"canceled": False, "timed_out": False, "out_of_memory": True}
    assert verdict(work("c"), marks(137), **told) is Outcome.OUT_OF_MEMORY
    assert verdict(work("i"), marks(137), **told) is Outcome.SUCCEEDED
    assert verdict(work("c"), marks(0), **told) is Outcome.SUCCEEDED
