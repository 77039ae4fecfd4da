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
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        self._in: socket.socket | None = None
        self._own = f"{uuid4().hex[:12]}.sock"

    def ring(self) -> None:
        """Never blocks and never fails: a listener whose socket is full knows already."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):  # noqa: PTH208 (called after every commit)
                if name != self._own:
                    self._ring(name)

    def _ring(self, name: str) -> None:
        try:
            self._out.sendto(b"!", self._address(name))
        except BlockingIOError:
            return
        except (ConnectionRefusedError, FileNotFoundError):
            self._remove(name)  # its process has gone

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
            self._in.bind(self._address(self._own))
        return self._in

    def _address(self, name: str) -> str:
        """By way of the open directory: the path of a socket may have 107 bytes only."""
        return f"/proc/self/fd/{self._directory}/{name}"

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)

    def close(self) -> None:
        self._out.close()
        if self._in is not None:
            self._in.close()
            self._remove(self._own)
        os.close(self._directory)
