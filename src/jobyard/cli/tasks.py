"""`list`, `get`, `logs`, `wait` and `cancel`."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from jobyard.cli.errors import ExitCode, complain
from jobyard.cli.options import DEFAULT_SERVER, FOLLOWING, Ids, Json, Server, connect, tag_filters
from jobyard.cli.states import State, View, has_ended
from jobyard.cli.summary import summary
from jobyard.cli.terminal import one_line, progress, remark, say, say_json, say_table, write_stream
from jobyard.domain.errors import JobyardError

if TYPE_CHECKING:
    from jobyard.cli.following import Piece


def list_tasks(
    state: Annotated[
        State | None, typer.Option(case_sensitive=False, help="Only tasks in this state.")
    ] = None,
    name_prefix: Annotated[str, typer.Option(help="Only tasks whose name begins like this.")] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[=VALUE]", help="Only tasks with this tag; repeat it for more."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    view: Annotated[
        View, typer.Option(case_sensitive=False, help="How much of each task goes into the JSON document.")
    ] = View.BASIC,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """List tasks, newest first.

    In a pipe: one line a task with id, state, name and time of creation, parted by tabs.
    """
    from jobyard.cli.client import PAGE_SIZE, Filters
    from jobyard.cli.wire import task_of

    filters = Filters(state=state, name_prefix=name_prefix, tags=tag_filters(tag or []))
    page_size = PAGE_SIZE if everything else min(limit + 1, PAGE_SIZE)
    with connect(server) as client:
        found = client.tasks(filters, view if json else View.BASIC, page_size=page_size)
        documents = list(found if everything else islice(found, limit))
        more = not everything and next(found, None) is not None
    if json:
        say_json({"tasks": documents})
        return
    say_table(
        ("ID", "STATE", "NAME", "CREATED"),
        [
            (task.id, task.state, task.name or "", task.creation_time or "")
            for task in map(task_of, documents)
        ],
    )
    if more:
        remark(f"there are more than {limit}: see --limit and --all")


def get(
    ids: Ids,
    view: Annotated[
        View, typer.Option(case_sensitive=False, help="How much of each task to get.")
    ] = View.FULL,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Show tasks.

    A summary for people; --json gives the document, or an array of them for several ids.
    """
    from jobyard.cli.wire import task_of

    with connect(server) as client:
        documents = [client.get(id, view) for id in ids]
    if json:
        say_json(documents[0] if len(documents) == 1 else documents)
        return
    for number, document in enumerate(documents):
        if number:
            say("")
        for line in summary(task_of(document)):
            say(line)


def logs(
    id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task ends.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only standard output.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only standard error.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Print the output of a task.

    Its standard output goes to standard output, its standard error to standard error. It is what the
    server keeps, which for long output is the end. While a command runs, Jobyard servers show
    its output so far; others show it when the command has ended.
    """
    from jobyard.cli.following import Transcript, follow_output
    from jobyard.cli.wire import task_of

    def show(piece: "Piece") -> None:
        if stdout == stderr or (stdout and piece.stream == "stdout") or (stderr and piece.stream == "stderr"):
            write_stream(piece.text, sys.stdout if piece.stream == "stdout" else sys.stderr)

    transcript = Transcript()
    with connect(server, FOLLOWING) as client:
        if follow:
            follow_output(client, id, show=show, transcript=transcript)
            return
        for piece in transcript.news(task_of(client.get(id, View.FULL))):
            show(piece)


def wait(ids: Ids, server: Server = DEFAULT_SERVER) -> None:
    """Wait until tasks have ended.

    Prints id and state of each as it ends, parted by a tab. The exit code is 0 if every one of them
    ended in COMPLETE, and 1 otherwise.
    """
    from jobyard.cli.following import until_ended

    ended: set[str] = set()
    count = len(set(ids))
    with connect(server, FOLLOWING) as client, progress(f"0 of {count} ended") as shown:

        def report(id: str, state: str) -> None:
            if has_ended(state):
                ended.add(id)
                say(f"{one_line(id)}\t{one_line(state)}")
            shown(f"{len(ended)} of {count} ended; {id} {state}")

        states = until_ended(client, ids, report=report)
    if any(state != State.COMPLETE for state in states.values()):
        raise typer.Exit(ExitCode.FAILED)


def cancel(ids: Ids, server: Server = DEFAULT_SERVER) -> None:
    """Ask for the end of tasks.

    Prints the ids of those for which that worked. A task that has ended already is no error. `wait`
    tells when they have ended.
    """
    failed = False
    with connect(server) as client:
        for id in ids:
            try:
                client.cancel(id)
            except JobyardError as error:
                complain(error)
                failed = True
            else:
                say(id)
    if failed:
        raise typer.Exit(ExitCode.FAILED)
