"""What staging asks of blobs, whose promises stand in `blobs/base.py`, and of those whose job it stages."""

from collections.abc import Sequence
from typing import Protocol

from jobyard.domain.files import FileType, StoredOutput


class Source(Protocol):
    prefixes: Sequence[str]

    def check(self, url: str, type: FileType) -> None: ...

    async def fetch(self, url: str, to: int) -> None: ...

    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]: ...


class Sink(Protocol):
    def check_write(self, url: str) -> None: ...

    async def put(self, url: str, source: int) -> tuple[int, str]: ...


class Journal(Protocol):
    """Where a transfer tells what it does, while it does it."""

    def note(self, line: str) -> None:
        """A line for people."""
        ...

    def stored(self, output: StoredOutput) -> None:
        """The file is durable."""
        ...
