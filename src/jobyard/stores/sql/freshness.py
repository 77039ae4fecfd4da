"""Tells whether a job has changed since it was read, without asking the database.

Those who poll ask for the same jobs again and again, and most answers are the same. The processes of a host
share a file in memory with a counter for each of a few thousand groups of jobs. Whoever changes a job makes
its counter odd, commits, and makes it even again; so what was read at an even count holds as long as it is
that count. A writer that dies in between leaves an odd one: then the jobs of that group are read from the
database until the next change of one of them. The price of grouping is that jobs are read once too often.
"""

import mmap
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar
from zlib import crc32

from cachetools import LRUCache

from jobyard.domain.job import JobId

_GROUPS = 1 << 13
_WIDTH = 8  # bytes of a counter

T = TypeVar("T")


class Freshness:
    """The counters. Changes are made by one writer of the host at a time (`Writer`)."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size != _GROUPS * _WIDTH:
                os.ftruncate(fd, _GROUPS * _WIDTH)
            self._memory = mmap.mmap(fd, _GROUPS * _WIDTH)
        finally:
            os.close(fd)
        self._counts = memoryview(self._memory).cast("Q")

    def count(self, id: JobId) -> int | None:
        """None while the job is perhaps being changed."""
        count = self._counts[crc32(id.encode()) % _GROUPS]
        return None if count & 1 else count

    @contextmanager
    def changing(self, ids: Iterable[JobId]) -> Iterator[None]:
        """While the changes of these jobs are made and committed."""
        groups = self.begin(ids)
        try:
            yield
        finally:
            self.end(groups)

    def begin(self, ids: Iterable[JobId]) -> Collection[int]:
        """Gives what `end` wants."""
        groups = {crc32(id.encode()) % _GROUPS for id in ids}
        for group in groups:
            self._counts[group] = (self._counts[group] + 2) | 1  # another odd one, where one was left behind
        return groups

    def end(self, groups: Collection[int]) -> None:
        for group in groups:
            self._counts[group] += 1

    def close(self) -> None:
        self._counts.release()
        self._memory.close()


class FreshCache(Generic[T]):
    """What was read of jobs, as long as it holds; the least used goes first."""

    def __init__(self, freshness: Freshness, entries: int) -> None:
        self._freshness = freshness
        self._entries: LRUCache[JobId, tuple[int, T]] = LRUCache(entries)

    def get(self, id: JobId) -> T | None:
        entry = self._entries.get(id)
        return entry[1] if entry is not None and entry[0] == self._freshness.count(id) else None

    def keep(self, id: JobId, count: int | None, value: T) -> None:
        """`count` was taken before the value was read."""
        if count is not None and count == self._freshness.count(id):
            self._entries[id] = (count, value)
