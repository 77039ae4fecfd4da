"""`jobyard`: the entry point and the list of its commands."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from jobyard.cli import config, doctor, service, submitting, tasks
from jobyard.cli.errors import ExitCode, complain


class _Jobyard(TyperGroup):
    """Ends every command in one way: an exit code, and at most a few plain lines on standard error."""

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, "jobyard", complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except typer.TyperException as error:
            code = _misused(error)
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.FAILED
        except (KeyboardInterrupt, typer.Abort):
            code = ExitCode.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the last place where it can be put into words
            complain(error)
            code = ExitCode.FAILED
        sys.exit(code or ExitCode.OK)


def _misused(error: typer.TyperException) -> int:
    path = getattr(getattr(error, "ctx", None), "command_path", "jobyard")
    typer.echo(f"jobyard: {error.format_message().rstrip('.')}. See `{path} --help`.", err=True)
    return error.exit_code


app = typer.Typer(
    cls=_Jobyard,
    help="One job service for science: run it, and submit and follow tasks on any GA4GH TES server.",
    rich_markup_mode=None,  # plain help starts four times as fast, and reads the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(service.serve)
app.command()(doctor.doctor)
app.add_typer(config.configuration, name="config")
app.add_typer(service.database, name="db")
app.command(cls=submitting.CommandAfterDashes)(submitting.submit)
app.command(context_settings={"allow_interspersed_args": False})(submitting.run)
app.command("list")(tasks.list_tasks)
app.command()(tasks.get)
app.command()(tasks.logs)
app.command()(tasks.wait)
app.command()(tasks.cancel)


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"jobyard {version_of('jobyard')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """The program `jobyard`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever tasks wrote, it can be shown
            stream.reconfigure(errors="backslashreplace")
    # httpx imports its own command line, which takes a fifth of a second, unless it finds it missing.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # what the import system looks for
    app()
