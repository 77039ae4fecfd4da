"""What must hold of the tasks, and of what is left on the machine, once the dust has settled."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from faults.cases import CANCELED, COMPLETE, ERRORED, FAILED, SOURCE, Case
from faults.clients import Sent, Task
from faults.counter import Runs
from faults.served import Part, Served
from jobyard.domain.state import State

_SETTLE_S = 30
_NAMES = {
    State.COMPLETED: COMPLETE,
    State.FAILED: FAILED,
    State.TIMED_OUT: FAILED,
    State.ERRORED: ERRORED,
    State.CANCELED: CANCELED,
}


def wrong_with(sent: Sent, task: Task, runs: Runs, root: Path) -> Iterator[str]:
    """What is wrong with an ended task."""
    case, logs = sent.case, task["logs"]
    canceled = task["state"] == CANCELED
    if task["state"] != case.state and not (canceled and sent.cancel_accepted):
        yield f"is {task['state']}, should be {case.state}: {logs[-1].get('system_logs')}"
    if len(logs) > 1:  # jobs themselves are left alone, so none has reason to be repeated
        yield f"{len(logs)} attempts: {[log.get('system_logs') for log in logs]}"
    yield from _wrong_runs(case, [runs.begun[case.token, i] for i in _executors(case)], canceled)
    if not canceled:
        yield from _wrong_logs(case, logs[-1]["logs"])
    yield from _wrong_files(case, root, canceled)


def wrong_answers(answers: Mapping[str, str], stored: Mapping[str, State]) -> Iterator[str]:
    """Where the API says something else of an ended task than the database: something older, from memory."""
    for id, answer in answers.items():
        state = stored.get(id)
        if state is not None and answer != _NAMES.get(state):
            yield f"{id}: the API says {answer}, the database {state}"


def _executors(case: Case) -> range:
    return range(len(case.body["executors"]))


def _wrong_runs(case: Case, begun: Sequence[int], canceled: bool) -> Iterator[str]:
    for index, times in enumerate(begun):
        runs = index < len(case.exit_codes)
        speaks = runs and not canceled and case.exit_codes[index] is not None  # else perhaps not
        if times > runs:
            yield f"executor {index} ran {times} times, {int(runs)} is right"
        elif times < speaks:
            yield f"executor {index} did not run"


def _wrong_logs(case: Case, logs: Sequence[dict[str, Any]]) -> Iterator[str]:
    codes = [log.get("exit_code") for log in logs]
    same = [want in {None, code} for want, code in zip(case.exit_codes, codes, strict=False)]
    if len(codes) != len(case.exit_codes) or not all(same):
        yield f"exit codes {codes}, should be {case.exit_codes}"
    elif case.stdout is not None and logs[0].get("stdout") != case.stdout:
        yield f"stdout {logs[0].get('stdout')!r}, should be {case.stdout!r}"


def _wrong_files(case: Case, root: Path, canceled: bool) -> Iterator[str]:
    for name, content in case.files.items():
        path = root / name
        if path.exists() and path.read_bytes() != content:
            yield f"{name} has other content"
        elif not path.exists() and not canceled:
            yield f"{name} is missing"


def wrong_files_of(cases: Sequence[Case], root: Path) -> Iterator[str]:
    """Files that no task should have made, such as temporary ones."""
    expected = {SOURCE, *(name for case in cases for name in case.files)}
    for path in root.rglob("*"):
        if path.is_file() and str(path.relative_to(root)) not in expected:
            yield f"left in the file root: {path.relative_to(root)}"


async def left_while_it_serves(served: Served) -> list[str]:
    """What the server should have tidied up by now, and has not."""
    left = {
        "attempts": lambda: [path.name for path in (served.data / "attempts").glob("[!.]*")],
        "sockets of dead processes": lambda: _stale_sockets(served.data / "wake"),
        "zombies": lambda: list(map(str, served.zombies())),
        "more than one engine, or none": lambda: _surplus(served),
    }
    return [f"{what}: {found}" for what, look in left.items() if (found := await _once_settled(look)) != []]


async def left_after_the_end(served: Served) -> list[str]:
    """When it has stopped."""
    left = {
        "processes": lambda: [f"{pid} {words}" for pid, words in served.strays().items()],
        "sockets": lambda: [path.name for path in (served.data / "wake").iterdir()],
    }
    return [f"{what}: {found}" for what, look in left.items() if (found := await _once_settled(look)) != []]


async def _once_settled(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + _SETTLE_S
    while (found := look()) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return found


def _stale_sockets(wake: Path) -> list[str]:
    bound = Path("/proc/net/unix").read_text()
    return [path.name for path in wake.iterdir() if path.name not in bound]


def _surplus(served: Served) -> list[str]:
    engines = served.processes(Part.ENGINE)
    return [] if len(engines) == 1 else [f"engines {engines}"]
