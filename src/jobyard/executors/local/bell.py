"""A pipe with a name, by which the scripts of attempts say that there is news: nobody need look at intervals.

Scripts open it for reading and writing, so that ringing neither waits for a listener nor fails without one.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobyard.executors.local.script import BELL

_CHUNK = 65536  # bytes that a pipe holds


class Bell:
    """Calls `rang` with the key in each line; from the running event loop."""

    def __init__(self, directory: Path, rang: Callable[[str], None]) -> None:
        path = directory / BELL
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rang = rang
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        *lines, self._rest = (self._rest + os.read(self._fd, _CHUNK)).split(b"\n")
        for line in lines:
            self._rang(line.decode(errors="replace"))
