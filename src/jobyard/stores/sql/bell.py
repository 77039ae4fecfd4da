"""Tells the other processes of this host that something was written: a datagram to each that listens."""

import asyncio
import contextlib
import os
import socket
from datetime import timedelta
from pathlib import Path
from uuid import uuid4


class Bell:
    """Listeners have a socket each in one directory. A lost or useless ring does no harm: everyone also looks
    by itself from time to time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        self._in: socket.socket | None = None
        self._own = f"{uuid4().hex[:12]}.sock"

    def ring(self) -> None:
        """Never blocks: a listener whose socket is full knows already."""
        for name in os.listdir(self._directory):  # noqa: PTH208 (called after every commit)
            if name == self._own:
                continue
            path = self._directory / name
            try:
                self._out.sendto(b"!", str(path))
            except BlockingIOError:
                continue
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)  # its process has gone

    async def heard(self, timeout: timedelta) -> None:
        """Return once somebody else rings, or after `timeout`."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout.total_seconds()):
                await loop.sock_recv(self._listening(), 1)
        with contextlib.suppress(BlockingIOError):
            while self._listening().recv(1):
                pass

    def _listening(self) -> socket.socket:
        if self._in is None:
            self._in = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._in.setblocking(False)
            self._in.bind(str(self._directory / self._own))
        return self._in

    def close(self) -> None:
        self._out.close()
        if self._in is not None:
            self._in.close()
            (self._directory / self._own).unlink(missing_ok=True)
