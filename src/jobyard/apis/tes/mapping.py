"""Jobs as TES tasks: pure functions (contract 1.5, 1.7).

The standard has no executor log for an executor that still runs, since it requires an `exit_code`. So the end
of a running executor's streams is shown, in the view FULL only, as entries `executor.<index>.stdout` and
`executor.<index>.stderr` of the task log's `metadata`, the one map that the standard leaves to the server.
They are gone when the executor has ended and its log has taken their place.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import UNSET, UnsetType

from jobyard.apis.tes import wire
from jobyard.apis.tes.options import TesOptions
from jobyard.apis.tes.states import StateTable
from jobyard.domain.files import Input, Output, masked
from jobyard.domain.job import Attempt, CommandLog, Job
from jobyard.domain.resources import Request
from jobyard.domain.work import Command

_T = TypeVar("_T")


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds and `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class TaskMapper:
    """Maps jobs under the options of one service."""

    def __init__(self, options: TesOptions, states: StateTable) -> None:
        self._states = states
        self._prepopulate = options.prepopulate_executor_logs

    def task(self, job: Job, *, full: bool) -> wire.Task:
        """The view FULL, or else BASIC. Nothing that the client did not send is echoed, but for types."""
        work = job.work
        return wire.Task(
            id=job.id,
            state=self._states.names[job.standing],
            name=given(job.name),
            description=given(job.description),
            inputs=[_input(item, full=full) for item in work.inputs] or UNSET,
            outputs=[_output(item) for item in work.outputs] or UNSET,
            resources=_resources(work.resources) if work.resources else UNSET,
            executors=[_executor(command) for command in work.commands],
            volumes=list(work.volumes) or UNSET,
            tags=given(job.tags),
            logs=[self._task_log(job, attempt, full=full) for attempt in job.attempts],
            creation_time=timestamp(job.created),
        )

    def _task_log(self, job: Job, attempt: Attempt, *, full: bool) -> wire.TaskLog:
        ended = [
            _executor_log(log, code, full=full)
            for log in attempt.commands
            if (code := log.exit_code) is not None
        ]
        if self._prepopulate and attempt is job.attempt and not job.state.terminal:
            missing = _sure_to_run(job.work.commands) - len(ended)
            ended += [wire.ExecutorLog(exit_code=0)] * missing
        metadata = {key: masked(value) for key, value in attempt.metadata.items()}
        if full:
            metadata |= _live_output(attempt)
        return wire.TaskLog(
            logs=ended,
            metadata=metadata or UNSET,
            start_time=_time(attempt.started),
            end_time=_time(attempt.ended),
            outputs=[
                wire.OutputFileLog(url=masked(out.url), path=out.path, size_bytes=str(out.size))
                for out in attempt.outputs
            ],
            system_logs=self._system_logs(job, attempt) if full else UNSET,
        )

    def _system_logs(self, job: Job, attempt: Attempt) -> list[str] | UnsetType:
        lines = [masked(line) for line in attempt.system_log]
        reason = self._states.reasons.get(job.standing)
        if reason and attempt is job.attempt:
            lines.append(reason)
        return lines or UNSET


def _input(item: Input, *, full: bool) -> wire.Input:
    return wire.Input(
        name=given(item.name),
        description=given(item.description),
        url=UNSET if item.url is None else masked(item.url),
        path=item.path,
        type=wire.FileType[item.type.name],
        content=given(item.content) if full else UNSET,
        streamable=given(item.streamable),
    )


def _output(item: Output) -> wire.Output:
    return wire.Output(
        name=given(item.name),
        description=given(item.description),
        url=masked(item.url),
        path=item.path,
        path_prefix=given(item.path_prefix),
        type=wire.FileType[item.type.name],
    )


def _resources(request: Request) -> wire.Resources:
    return wire.Resources(
        cpu_cores=given(request.cores),
        preemptible=given(request.preemptible),
        ram_gb=given(request.memory_gb),
        disk_gb=given(request.disk_gb),
        zones=list(request.zones) or UNSET,
        backend_parameters=given(request.parameters),
        backend_parameters_strict=given(request.parameters_strict),
    )


def _executor(command: Command) -> wire.Executor:
    return wire.Executor(
        image=command.image,
        command=list(command.argv),
        workdir=given(command.workdir),
        stdin=given(command.stdin),
        stdout=given(command.stdout),
        stderr=given(command.stderr),
        env=given(command.env),
        ignore_error=given(command.ignore_error),
    )


def _executor_log(log: CommandLog, exit_code: int, *, full: bool) -> wire.ExecutorLog:
    return wire.ExecutorLog(
        start_time=_time(log.started),
        end_time=_time(log.ended),
        stdout=given(log.stdout) if full else UNSET,
        stderr=given(log.stderr) if full else UNSET,
        exit_code=exit_code,
    )


def _live_output(attempt: Attempt) -> Mapping[str, str]:
    return {
        f"executor.{index}.{name}": text
        for index, log in enumerate(attempt.commands)
        if log.exit_code is None
        for name, text in (("stdout", log.stdout), ("stderr", log.stderr))
        if text
    }


def _sure_to_run(commands: tuple[Command, ...]) -> int:
    """Up to and including the first whose failure ends the task."""
    ends = (index for index, command in enumerate(commands, start=1) if not command.ignore_error)
    return next(ends, len(commands))


def _time(at: datetime | None) -> str | UnsetType:
    return UNSET if at is None else timestamp(at)


def given(value: _T | None) -> _T | UnsetType:
    """What is None is not sent."""
    return UNSET if value is None else value
