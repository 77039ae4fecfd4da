"""`serve` and `db`: the commands that run the service itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from jobyard.cli.options import Config, Data
from jobyard.cli.terminal import say


class RoleChoice(StrEnum):
    ALL = "all"
    API = "api"
    ENGINE = "engine"


def serve(
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Overrides server.listen.", show_default=False)
    ] = None,
    data: Data = None,
    config: Config = None,
    role: Annotated[
        list[RoleChoice] | None,
        typer.Option(
            help="What this process does: `api` answers requests, `engine` runs jobs, `all` starts a process "
            "for each and watches over them. Repeat it for several.",
            show_default="all",
        ),
    ] = None,
) -> None:
    """Run the service.

    Options override the configuration (see `jobyard config`).
    """
    from jobyard.cli.configuration import load

    settings = load(config, listen=listen, data=data).settings  # a mistake is told before the slow imports
    with _missing(
        "rich"
    ):  # structlog would bring it for tracebacks in colour: slow, and large in each process
        from jobyard.serve import Role
        from jobyard.serve import serve as serve_with

    chosen = set(role or [RoleChoice.ALL])
    roles = list(Role) if RoleChoice.ALL in chosen else [Role(name.value) for name in sorted(chosen)]
    serve_with(settings, roles)


@contextmanager
def _missing(module: str) -> Iterator[None]:
    """Imports here find no such module, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what the import system looks for
    try:
        yield
    finally:
        del sys.modules[module]


database = typer.Typer(help="The database of the service.")


@database.command()
def upgrade(config: Config = None, data: Data = None) -> None:
    """Bring the database up to date, or make one."""
    from jobyard.bootstrap import upgrade_database
    from jobyard.cli.configuration import load

    upgrade_database(load(config, data=data).settings)


@database.command()
def current(config: Config = None, data: Data = None) -> None:
    """Print the version of the database."""
    from jobyard.bootstrap import current_revision
    from jobyard.cli.configuration import load

    say(current_revision(load(config, data=data).settings) or "none")


@database.command()
def check(config: Config = None, data: Data = None) -> None:
    """Fail, saying what helps, if this release cannot use it."""
    from jobyard.bootstrap import check_database
    from jobyard.cli.configuration import load

    check_database(load(config, data=data).settings)
