"""Open files read and written in threads. Cancelled, each waits until its thread has let go of the file:
its number may mean another file a moment later.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import TypeVar

_T = TypeVar("_T")


async def read_at(fd: int, size: int, offset: int) -> bytes:
    """That many bytes, fewer only at the end of the file."""
    return await completed(asyncio.to_thread(_read, fd, size, offset))


async def write_at(fd: int, data: bytes, offset: int) -> int:
    """All of the data; returns how much that is."""
    return await completed(asyncio.to_thread(_write, fd, data, offset))


async def completed(work: Coroutine[None, None, _T]) -> _T:
    """Its result. Cancelled, it waits until the work has ended all the same."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nobody asks any more
        raise


def _read(fd: int, size: int, offset: int) -> bytes:
    parts = []
    while size and (data := os.pread(fd, size, offset)):
        parts.append(data)
        size, offset = size - len(data), offset + len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write(fd: int, data: bytes, offset: int) -> int:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
    return len(data)
