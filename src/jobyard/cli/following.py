"""Follow tasks while they run."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from jobyard.cli.client import TesClient
from jobyard.cli.states import View, has_ended
from jobyard.cli.wire import Task, task_of

Stream = Literal["stdout", "stderr"]

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.1, 2.0, 1.3
"""Seconds between polls: short jobs end soon, long ones are not asked about all the time."""


class Pauses:
    """Grow from poll to poll, and start again small when something happened."""

    def __init__(self) -> None:
        self._next = _FIRST_PAUSE

    def news(self) -> None:
        self._next = _FIRST_PAUSE

    def wait(self) -> None:
        time.sleep(self._next)
        self._next = min(self._next * _GROWTH, _LONGEST_PAUSE)


def until_ended(
    client: TesClient, ids: Collection[str], *, report: Callable[[str, str], None]
) -> Mapping[str, str]:
    """The state in which each task ended; `report` hears the first state of each and every change.

    Raises `NotFound` for an unknown id.
    """
    pauses = Pauses()
    states = dict.fromkeys(ids, "")
    while pending := [id for id, state in states.items() if not (state and has_ended(state))]:
        for id in pending:
            state = task_of(client.get(id)).state
            if states[id] != state:
                states[id] = state
                report(id, state)
                pauses.news()
        if not all(map(has_ended, states.values())):
            pauses.wait()
    return states


def unseen(before: str, now: str) -> str:
    """What `now` holds after the part that `before` ended with. Both are ends of one growing text, cut at the
    front when it grows over a limit. Linear in their lengths.
    """
    if now.startswith(before):
        return now[len(before) :]
    start = now.removeprefix("\ufffd")  # the cut may go through a character
    return start[_overlap(start, before) :]


def _overlap(start: str, end: str) -> int:
    """The length of the longest beginning of `start` that `end` ends with (Knuth, Morris and Pratt)."""
    fallback = [0] * len(start)
    length = 0
    for index in range(1, len(start)):
        while length and start[index] != start[length]:
            length = fallback[length - 1]
        length += start[index] == start[length]
        fallback[index] = length
    length = 0
    for character in end[-len(start) :] if start else "":
        while length and character != start[length]:
            length = fallback[length - 1]
        length += character == start[length]
    return length


class Piece(NamedTuple):
    stream: Stream
    text: str


@dataclass(slots=True)
class Transcript:
    """The output of a task's latest attempt, as far as it has been shown."""

    _attempt: int = 0
    _shown: dict[tuple[int, Stream], str] = field(default_factory=dict)

    def news(self, task: Task) -> list[Piece]:
        """What the task (of view FULL) holds and has not been shown; counts as shown from now on."""
        attempts = len(task.logs or ())
        if attempts != self._attempt:
            self._attempt = attempts
            self._shown.clear()
        pieces = []
        for (index, stream), text in _output(task).items():
            new = unseen(self._shown.get((index, stream), ""), text)
            self._shown[index, stream] = text
            if new:
                pieces.append(Piece(stream, new))
        return pieces


LIVE = re.compile(r"executor\.([0-9]+)\.(stdout|stderr)")
"""Metadata keys under which Jobyard sends the output of commands that still run."""

_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


def _output(task: Task) -> dict[tuple[int, Stream], str]:
    """By executor and stream: final where the executor has ended, the live end of it while it runs."""
    attempt = task.attempt
    metadata = attempt.metadata or {}
    final = attempt.logs or ()
    live = {int(match[1]) for key in metadata if (match := LIVE.fullmatch(key))}
    found: dict[tuple[int, Stream], str] = {}
    for index in sorted({*range(len(final)), *live}):
        log = final[index] if index < len(final) else None
        for stream in _STREAMS:
            ended = (log.stdout if stream == "stdout" else log.stderr) if log else None
            found[index, stream] = ended or metadata.get(f"executor.{index}.{stream}") or ""
    return found


def follow_output(
    client: TesClient, id: str, *, show: Callable[[Piece], None], transcript: Transcript
) -> Task:
    """Show the output of a task as it comes, until it ends. Raises `NotFound`."""
    pauses = Pauses()
    while True:
        task = task_of(client.get(id, View.FULL))
        pieces = transcript.news(task)
        for piece in pieces:
            show(piece)
        if has_ended(task.state):
            return task
        if pieces:
            pauses.news()
        pauses.wait()
