"""Options that several client commands have, and the client that they make."""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobyard.domain.errors import Invalid

if TYPE_CHECKING:
    from jobyard.cli.client import TesClient

DEFAULT_SERVER = "http://127.0.0.1:8080"

Server = Annotated[
    str,
    typer.Option(
        envvar="JOBYARD_SERVER",
        metavar="URL",
        help="A TES server, with or without the path of its API.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Tasks.", show_default=False)]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Configuration; else JOBYARD_CONFIG, else ./jobyard.toml if there is one.",
        show_default=False,
    ),
]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Overrides server.data.", show_default=False)]

ONE_SHOT = timedelta(seconds=0.5)
FOLLOWING = timedelta(minutes=2)
"""Patience with a server that is away: for commands that ask once, and for those that follow a task."""


def connect(server: str, patience: timedelta = ONE_SHOT) -> "TesClient":
    """A client for the server; a bearer token is taken from JOBYARD_TOKEN. Raises `Invalid`."""
    from jobyard.cli.client import TesClient

    token = os.environ.get("JOBYARD_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise Invalid("JOBYARD_TOKEN should be one line of ASCII, as a bearer token is")
    return TesClient(server, token=token or None, patience=patience)


def tag_filters(texts: list[str]) -> dict[str, str]:
    """`KEY=VALUE`, or `KEY` for any value. Raises `Invalid`."""
    tags = dict(text.partition("=")[::2] for text in texts)
    if "" in tags:
        raise Invalid("--tag should have the form KEY=VALUE, or KEY for any value")
    if len(tags) < len(texts):
        raise Invalid("--tag names a key twice, and no task has two values for one")
    return tags
