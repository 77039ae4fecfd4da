"""Counts what tasks do: each executor says on a loopback connection that it runs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_BACKLOG = 4096


@dataclass(slots=True)
class Runs:
    """How often each executor of each task has begun to run."""

    port: int = 0
    begun: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By the task's token and the executor's index."""

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.read()).decode().split()
        writer.close()
        if words:  # else it was killed before it could say anything
            token, index = words
            self.begun[token, int(index)] += 1


@asynccontextmanager
async def counting() -> AsyncIterator[Runs]:
    runs = Runs()
    server = await asyncio.start_server(runs._hear, "127.0.0.1", 0, backlog=_BACKLOG)  # noqa: SLF001
    async with server:
        runs.port = server.sockets[0].getsockname()[1]
        yield runs


def saying(port: int) -> str:
    """Text for bash: report that executor `$INDEX` of the task `$TOKEN` runs, or fail."""
    return f'echo "$TOKEN $INDEX" >/dev/tcp/127.0.0.1/{port} || exit 99\n'
