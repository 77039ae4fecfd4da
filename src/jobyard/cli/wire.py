"""The shapes of TES answers, as far as people are shown them. Servers may leave out anything."""

import msgspec

from jobyard.cli.states import State
from jobyard.domain.errors import JobyardError

Document = dict[str, object]
"""A JSON object as the server sent it."""


class ExecutorLog(msgspec.Struct, frozen=True, kw_only=True):
    start_time: str | None = None
    end_time: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int | None = None


class OutputLog(msgspec.Struct, frozen=True, kw_only=True):
    url: str | None = None
    path: str | None = None
    size_bytes: int | None = None


class TaskLog(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt."""

    logs: tuple[ExecutorLog, ...] | None = None
    metadata: dict[str, str | None] | None = None
    start_time: str | None = None
    end_time: str | None = None
    outputs: tuple[OutputLog, ...] | None = None
    system_logs: tuple[str | None, ...] | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    path: str | None = None
    url: str | None = None


class Executor(msgspec.Struct, frozen=True, kw_only=True):
    image: str | None = None
    command: tuple[str, ...] | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    cpu_cores: float | None = None
    ram_gb: float | None = None
    disk_gb: float | None = None


class Task(msgspec.Struct, frozen=True, kw_only=True):
    id: str = ""
    state: str = State.UNKNOWN.value
    """One of `State`, or a word of this server's own."""
    name: str | None = None
    description: str | None = None
    inputs: tuple[File, ...] | None = None
    outputs: tuple[File, ...] | None = None
    resources: Resources | None = None
    executors: tuple[Executor, ...] | None = None
    tags: dict[str, str | None] | None = None
    logs: tuple[TaskLog, ...] | None = None
    creation_time: str | None = None

    @property
    def attempt(self) -> TaskLog:
        """The latest one; empty where the server has not sent any."""
        return self.logs[-1] if self.logs else TaskLog()


def task_of(document: Document) -> Task:
    """Raises `JobyardError` for a document that is not a task."""
    try:
        return msgspec.convert(document, Task, strict=False)
    except msgspec.ValidationError as error:
        raise JobyardError(f"the server sent a task that does not follow the standard: {error}") from error
