"""What is new in the output of a task."""

from hypothesis import given
from hypothesis import strategies as st

from jobyard.cli.following import Piece, Transcript, unseen
from jobyard.cli.wire import ExecutorLog, Task, TaskLog


@given(text=st.text(alphabet="abc\n", max_size=60), cut=st.integers(0, 60), more=st.integers(0, 60))
def test_growing_text_that_is_not_cut_is_shown_exactly_once(text, cut, more):
    before, now = text[:cut], text[: cut + more]
    assert before + unseen(before, now) == now


@given(
    text=st.lists(st.integers(), unique=True, max_size=30), limit=st.integers(1, 30), seen=st.integers(0, 30)
)
def test_nothing_is_shown_twice_and_nothing_that_is_there_is_left_out(text, limit, seen):
    lines = [f"<{number}>" for number in text]
    before, now = lines[:seen][-limit:], lines[-limit:]
    expected = [line for line in now if line not in before]
    assert unseen("".join(before), "".join(now)) == "".join(expected)


def test_a_cut_through_a_character_does_not_repeat_the_text():
    assert unseen("1é2345", "\ufffd2345678") == "678"


def test_output_of_a_megabyte_is_compared_in_linear_time():
    before = "ab" * 250_000 + "c"
    assert unseen(before, ("ab" * 250_000 + "d")) == "ab" * 250_000 + "d"


def live(*texts: str) -> Task:
    metadata = {f"executor.{index}.stdout": text for index, text in enumerate(texts)}
    return Task(state="RUNNING", logs=(TaskLog(metadata=dict(metadata)),))


def test_live_output_goes_over_into_the_final_log():
    transcript = Transcript()
    final = TaskLog(logs=(ExecutorLog(stdout="one\ntwo\n"),), metadata={"executor.1.stdout": "next\n"})
    assert transcript.news(live("one\n")) == [Piece("stdout", "one\n")]
    assert transcript.news(Task(logs=(final,))) == [Piece("stdout", "two\n"), Piece("stdout", "next\n")]
    assert transcript.news(Task(logs=(final,))) == []


def test_another_attempt_is_shown_from_its_beginning():
    transcript = Transcript()
    again = Task(logs=(TaskLog(), TaskLog(logs=(ExecutorLog(stdout="same\n"),))))
    assert transcript.news(live("same\n")) == [Piece("stdout", "same\n")]
    assert transcript.news(again) == [Piece("stdout", "same\n")]
