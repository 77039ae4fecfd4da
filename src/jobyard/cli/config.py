"""`config`: look at the configuration without starting anything."""

from pathlib import Path
from typing import Annotated

import typer

from jobyard.cli.options import Config, Json
from jobyard.cli.terminal import say, say_json, say_table

configuration = typer.Typer(help="The configuration of the service.")


@configuration.command()
def example() -> None:
    """Print a file with every key.

    Each with its meaning and its default, as comments: as it is, the file changes nothing.
    """
    from jobyard.cli.settings_text import example as text

    typer.echo(text(), nl=False)


@configuration.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Else the file that `serve` would use.", show_default=False),
    ] = None,
) -> None:
    """Look for mistakes, and name all of them.

    In the file, and in the environment variables of this shell. The exit code is 1 if there are any.
    """
    from jobyard.cli.configuration import load

    loaded = load(file)
    say(f"{loaded.file or 'no file: environment and defaults'}: no mistakes")


@configuration.command()
def show(config: Config = None, json: Json = False) -> None:
    """Show the values in force, and their origin.

    In a pipe: one line a key with key, value and origin, parted by tabs.
    """
    from jobyard.cli.configuration import DEFAULT, fields, load
    from jobyard.cli.settings_text import plain_value, value_of

    loaded = load(config)
    if json:
        say_json(
            {
                key: {"value": plain_value(loaded.settings, key), "from": loaded.sources.get(key, DEFAULT)}
                for key in fields()
            }
        )
        return
    say_table(
        ("KEY", "VALUE", "FROM"),
        [(key, value_of(loaded.settings, key) or "", loaded.sources.get(key, DEFAULT)) for key in fields()],
    )
