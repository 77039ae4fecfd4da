"""What people see on a terminal, and what programs read from a pipe.

A terminal gets tables and progress; a pipe gets plain lines with tabs between the fields, nothing else.
Texts of tasks are other people's: on a terminal, nothing in them may act on it.
"""

import json
import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TextIO

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
"""Controls (C0 without tab and newline, C1), line separators, and marks that turn the direction of text."""


def visible(text: str) -> str:
    """The text with everything that a terminal would act on written out; lines and tabs stay."""
    return _ACTING.sub(_written_out, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """As `visible`, and on one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"  # noqa: PLR2004 - what two digits can say


def say(line: str) -> None:
    """A line of output."""
    sys.stdout.write(line + "\n")


def remark(line: str) -> None:
    """A line for the person at the terminal, next to the output; not for logs and pipes."""
    if sys.stderr.isatty():
        sys.stderr.write(one_line(line) + "\n")


def say_json(document: object) -> None:
    """One JSON document, with everything but ASCII escaped, so that it is safe on a terminal as well."""
    say(json.dumps(document, indent=2))


def write_stream(text: str, to: TextIO) -> None:
    """A job's output: made harmless on a terminal, unchanged elsewhere."""
    to.write(visible(text) if to.isatty() else text)
    to.flush()


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line a row, fields parted by tabs, without headings."""
    if not sys.stdout.isatty():
        for row in rows:
            say("\t".join(one_line(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell), style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


_STYLES = {
    "COMPLETE": "green",
    "RUNNING": "cyan",
    "INITIALIZING": "cyan",
    "EXECUTOR_ERROR": "red",
    "SYSTEM_ERROR": "red",
    "CANCELED": "yellow",
    "CANCELING": "yellow",
    "PREEMPTED": "yellow",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
}
"""Colours of the words that tell how something went."""


@contextmanager
def progress(first: str) -> Generator[Callable[[str], None]]:
    """A line with a clock on standard error while something lasts, on a terminal only.

    The function that it gives changes the words.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    console = Console(stderr=True)
    # On the same terminal, Rich puts our lines above its own; a pipe must get them itself.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as shown:
        line = shown.add_task(one_line(first), total=None)
        yield lambda words: shown.update(line, description=one_line(words))
