"""One task in words, for people."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobyard.cli.terminal import one_line

if TYPE_CHECKING:
    from jobyard.cli.wire import ExecutorLog, File, Resources, Task, TaskLog

_WIDTH = 12
"""Of the labels."""


def summary(task: "Task") -> Iterator[str]:
    """Lines, safe on a terminal. Output of the commands is left to `logs`."""
    yield from _field("task", task.id)
    yield from _field("state", task.state)
    yield from _field("name", task.name)
    yield from _field("description", task.description)
    yield from _field("created", task.creation_time)
    for key, value in (task.tags or {}).items():
        yield from _field("tag", f"{key}={value or ''}")
    yield from _field("asks for", _resources(task.resources))
    for executor in task.executors or ():
        yield from _field("command", f"{shlex.join(executor.command or ())}  (in {executor.image or '?'})")
    for file in task.inputs or ():
        yield from _field("input", _file(file, "from"))
    for file in task.outputs or ():
        yield from _field("output", _file(file, "to"))
    for number, attempt in enumerate(task.logs or (), start=1):
        yield from _attempt(number, attempt)


def _field(label: str, value: str | None) -> Iterator[str]:
    if value:
        yield f"{label:<{_WIDTH}} {one_line(value)}"


def _resources(resources: "Resources | None") -> str:
    if resources is None:
        return ""
    parts = [
        (resources.cpu_cores, "CPU"),
        (resources.ram_gb, "GB of memory"),
        (resources.disk_gb, "GB of disk"),
    ]
    return ", ".join(f"{amount:g} {unit}" for amount, unit in parts if amount)


def _file(file: "File", direction: str) -> str:
    return f"{file.path or '?'} {direction} {file.url or 'the document itself'}"


def _attempt(number: int, attempt: "TaskLog") -> Iterator[str]:
    if attempt.start_time:
        yield from _field(f"attempt {number}", f"{attempt.start_time} to {attempt.end_time or 'now'}")
    for index, log in enumerate(attempt.logs or ()):
        yield from _field(f"  command {index}", _command(log))
    for output in attempt.outputs or ():
        size = f" ({output.size_bytes} bytes)" if output.size_bytes is not None else ""
        yield from _field("  stored", f"{output.path or '?'} at {output.url or '?'}{size}")
    for line in attempt.system_logs or ():
        yield from _field("  system", line)


def _command(log: "ExecutorLog") -> str:
    times = f", {log.start_time} to {log.end_time}" if log.start_time and log.end_time else ""
    return f"exit code {'none' if log.exit_code is None else log.exit_code}{times}"
