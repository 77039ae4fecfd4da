"""What this executor asks of those who move files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from jobyard.domain.files import Input, Output, StoredOutput


class Journal(Protocol):
    """Where a transfer tells what it does, while it does it."""

    def note(self, line: str) -> None:
        """A line for people."""
        ...

    def stored(self, output: StoredOutput) -> None:
        """The file is durable."""
        ...


class Stager(Protocol):
    """Cancelling a call stops the transfer, and nothing touches the view after that."""

    @property
    def storage(self) -> Sequence[str]:
        """URL prefixes that it serves, for people to read."""
        ...

    def check(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
        """Raises `Failure` for a URL that could never be read, or written."""
        ...

    async def bring(self, inputs: Sequence[Input], view: Path, journal: Journal) -> None:
        """Put private, writable copies into the view. Raises `Failure`."""
        ...

    async def store(
        self, outputs: Sequence[Output], view: Path, journal: Journal, *, missing_ok: bool
    ) -> None:
        """Store what is there of the outputs. Raises `Failure` after all have been tried."""
        ...
