"""Which queued job starts next on a machine of limited size: pure bookkeeping.

First come, first served. While the first in line does not fit, later jobs may start in the room it leaves
(backfill), but only as much as lies beside its reservation: together with it they fit into the whole machine.
So it starts at the latest when those jobs have ended that ran before it came first, however long the others
run: nobody starves, and nobody's running time need be known.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from jobyard.domain.job import JobId
from jobyard.domain.resources import Amount

_NO_LIMIT = 2**62
_LOOK = 1000
"""So many different amounts are tried for the room beside a reservation, so that a look stays short."""


class Entry(NamedTuple):
    """A job in line. Numbers give the order."""

    number: int
    id: JobId


class Queue:
    """Jobs in line and jobs that hold a part of the machine."""

    def __init__(self, capacity: Amount | None) -> None:
        """None is no limit: the backend has a queue of its own."""
        capacity = capacity or Amount(cores=_NO_LIMIT, memory=_NO_LIMIT, disk=_NO_LIMIT)
        self.capacity = capacity
        self._free = capacity
        self._lines: defaultdict[Amount, list[Entry]] = defaultdict(list)
        """A heap for each amount asked: of equal jobs only the first matters."""
        self._heads: list[tuple[Entry, Amount]] = []
        """The first job of each line, in order."""
        self._waiting: dict[JobId, Amount] = {}
        self._holding: dict[JobId, Amount] = {}
        self._first: JobId | None = None
        """The job that came first in line and did not fit."""
        self._beside: set[JobId] = set()
        """Jobs started while it waited, that run still."""

    def __len__(self) -> int:
        return len(self._waiting)

    def fits_ever(self, amount: Amount) -> bool:
        return amount.fits(self.capacity)

    def holds(self, id: JobId) -> bool:
        return id in self._holding

    def add(self, entry: Entry, amount: Amount) -> None:
        """Put a job in line. Adding it again changes nothing."""
        if entry.id not in self._waiting and entry.id not in self._holding:
            line = self._lines[amount]
            before = line[0] if line else None
            self._waiting[entry.id] = amount
            heappush(line, entry)
            self._update_head(amount, before)

    def discard(self, id: JobId) -> None:
        """Take a job out of line, if it is there."""
        amount = self._waiting.pop(id, None)
        if amount is not None and self._lines[amount][0].id == id:
            self._update_head(amount, self._lines[amount][0])

    def hold(self, id: JobId, amount: Amount) -> None:
        """Count a job that runs already, be there room for it or not."""
        self.discard(id)
        self._holding[id] = amount
        self._free -= amount

    def release(self, id: JobId) -> None:
        """Give back what a job held, if it did."""
        amount = self._holding.pop(id, None)
        if amount is not None:
            self._free += amount
            self._beside.discard(id)

    def next(self) -> Entry | None:
        """Start the next job that may start now: it leaves the line and holds its amount."""
        if not self._heads:
            return None
        first, amount = self._heads[0]
        if amount.fits(self._free):
            return self._start(first, amount)
        if self._first != first.id:
            self._first, self._beside = first.id, set()
        spare = self.capacity - amount
        for id in self._beside:
            spare -= self._holding[id]
        for entry, other in islice(self._heads, 1, _LOOK):
            if other.fits(self._free) and other.fits(spare):
                self._beside.add(entry.id)
                return self._start(entry, other)
        return None

    def _start(self, entry: Entry, amount: Amount) -> Entry:
        self.hold(entry.id, amount)
        return entry

    def _update_head(self, amount: Amount, before: Entry | None) -> None:
        """After a line has changed whose first job was `before`. Those that were discarded leave it here."""
        line = self._lines[amount]
        while line and self._waiting.get(line[0].id) != amount:
            heappop(line)
        now = line[0] if line else None
        if not line:
            del self._lines[amount]
        if now == before:
            return
        if before is not None:
            del self._heads[bisect_left(self._heads, before, key=_entry)]
        if now is not None:
            insort(self._heads, (now, amount), key=_entry)


def _entry(head: tuple[Entry, Amount]) -> Entry:
    return head[0]
