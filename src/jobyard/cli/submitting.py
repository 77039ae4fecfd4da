"""`submit` and `run`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typing_extensions import override

from jobyard.cli.documents import TaskOptions, compose, read_documents, with_task_options
from jobyard.cli.errors import ExitCode, complain
from jobyard.cli.options import DEFAULT_SERVER, FOLLOWING, Json, Server, connect
from jobyard.cli.states import State, View
from jobyard.cli.terminal import progress, remark, say, say_json, write_stream
from jobyard.domain.errors import Invalid, JobyardError

if TYPE_CHECKING:
    from jobyard.cli.client import TesClient
    from jobyard.cli.wire import Task

_COMMAND = "jobyard.command"
"""Where the words after `--` are kept."""


class CommandAfterDashes(TyperCommand):
    """Keeps the words after `--` apart from the arguments before it."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_COMMAND] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])


@with_task_options
def submit(
    options: TaskOptions,
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE... | -- COMMAND]",
            help="JSON task documents; - is standard input. A file may hold several, or an array of them.",
            show_default=False,
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Submit tasks and print their ids.

    They come from files, or as a command after --. The options that describe a task go with a command;
    a file says everything itself.
    """
    command: list[str] = context.meta[_COMMAND]
    if bool(files) == bool(command):
        raise Invalid("give either files with task documents, or a command after --")
    if files and options != TaskOptions():
        raise Invalid("options that describe a task go with a command after --, not with files")
    documents = read_documents(files) if files else [compose(options, command)]
    ids = []
    with connect(server) as client:
        for number, document in enumerate(documents, start=1):
            try:
                ids.append(client.create(document))
            except JobyardError as error:
                raise _in_place(error, number, len(documents)) from error
            if not json:
                say(ids[-1])
    if json:
        say_json([{"id": id} for id in ids])


def _in_place(error: JobyardError, number: int, count: int) -> JobyardError:
    """The error, saying which task of several it is about."""
    if count == 1:
        return error
    words = f"task {number} of {count} and those after it were not submitted: {error}"
    return Invalid(words, error.problems) if isinstance(error, Invalid) else type(error)(words)


@with_task_options
def run(
    options: TaskOptions,
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="The program and its arguments.", show_default=False),
    ],
    server: Server = DEFAULT_SERVER,
) -> None:
    """Run a command as a task and wait for it.

    Its output is printed when it has ended, and its exit code is that of this command. The output is
    what the server keeps of it, which for long output is the end; --stdout keeps all of it in a
    file. Ctrl-C cancels the task and waits until it has ended; a second Ctrl-C does not wait.
    """
    id = None
    try:
        with connect(server, FOLLOWING) as client:
            id = client.create(compose(options, command))
            remark(f"task {id}")
            task = _ended(client, id)
    except JobyardError as error:
        complain(error)
        if id is not None:
            complain(JobyardError(f"task {id} is left as it is; `jobyard logs -f {id}` follows it"))
        raise typer.Exit(ExitCode.SYSTEM) from error
    _show(task)
    raise typer.Exit(exit_code(task))


def _ended(client: "TesClient", id: str) -> "Task":
    from jobyard.cli.wire import task_of

    try:
        _watch(client, id)
    except KeyboardInterrupt:
        remark("canceling; press Ctrl-C again to leave it to the server")
        client.cancel(id)
        _watch(client, id)
    return task_of(client.get(id, View.FULL))


def _watch(client: "TesClient", id: str) -> None:
    from jobyard.cli.following import until_ended

    with progress(id) as shown:
        until_ended(client, [id], report=lambda task, state: shown(f"{task} {state}"))


def _show(task: "Task") -> None:
    for log in task.attempt.logs or ():
        write_stream(log.stdout or "", sys.stdout)
        write_stream(log.stderr or "", sys.stderr)
    if task.state not in (State.COMPLETE, State.EXECUTOR_ERROR):
        lines = [line for line in task.attempt.system_logs or () if line]
        complain(JobyardError("; ".join([f"task {task.id} ended in {task.state}", *lines[-3:]])))


def exit_code(task: "Task") -> int:
    """Of `run`: the code of the last command where commands decided the end, else one of `ExitCode`."""
    logs = task.attempt.logs or ()
    code = logs[-1].exit_code if logs else None
    match task.state:
        case State.COMPLETE:
            return _as_status(code or 0)
        case State.EXECUTOR_ERROR:
            return _as_status(code or ExitCode.FAILED)
        case State.CANCELED:
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.SYSTEM


def _as_status(code: int) -> int:
    """A process can end with 0 to 255 only; anything else must not look like success."""
    return code if 0 <= code <= 255 else 255  # noqa: PLR2004 - the limit of the system
