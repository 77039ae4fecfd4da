"""The promises of blobs: bytes by URL. One class serves one or more schemes.

Errors are `Failure`, with a sentence that names the URL with its credentials masked and says nothing of what
lies where a job may not look. `passing` says whether to try again may help.
"""

from collections.abc import Sequence
from typing import Protocol

from jobyard.domain.files import FileType

WEB_PREFIXES = ("http://", "https://")


class Source(Protocol):
    """What can be read."""

    prefixes: Sequence[str]
    """URL prefixes that it serves, for people to read."""

    def check(self, url: str, type: FileType) -> None:
        """Raises `Failure` if it could never be read. Looks at nothing but the URL."""
        ...

    async def fetch(self, url: str, to: int) -> None:
        """Write the file to the descriptor of an empty file, which stays open; and its permission to be
        executed, where the storage knows of it. Raises `Failure`. Cancelled, it writes no more.
        """
        ...

    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]:
        """Everything below a directory, parents first: names relative to it, with `/` between the parts.
        None is what is neither file nor directory. Raises `Failure`.
        """
        ...


class Sink(Protocol):
    """What can be written."""

    def check_write(self, url: str) -> None:
        """Raises `Failure` if it could never be written. Looks at nothing but the URL."""
        ...

    async def put(self, url: str, source: int) -> tuple[int, str]:
        """Store the open regular file, read from its beginning; return its size and SHA-256 in hex. It is
        whole and durable once this returns, and nothing of it is seen before. Raises `Failure`.
        """
        ...
