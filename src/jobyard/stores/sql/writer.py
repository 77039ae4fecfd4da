"""Group commit: writes that arrive together share one transaction.

A database has one writer at a time and a commit costs a flush to the disk. So one thread of each process
takes all that is waiting, writes it, commits once, and only then tells the callers. A write that is refused
leaves the others alone; one that breaks undoes the whole transaction, and then each is tried by itself.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from jobyard.domain.errors import JobyardError, Unavailable

_MOST = 512
"""Writes in one transaction, so that other processes get their turn."""

R = TypeVar("R")
T = TypeVar("T")

Apply = Callable[[Connection, Sequence[R]], Sequence[T | JobyardError]]
"""Carries out writes of one kind, in order; gives for each its result, or why it was refused. What is refused
has written nothing."""

Around = Callable[[Sequence[Any]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    apply: Apply[Any, Any]
    request: Any
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Writer:
    """The one thread of this process that writes."""

    def __init__(self, engine: Engine, turn: Path, around: Around, committed: Callable[[], None]) -> None:
        """Writers of other processes that name the same file `turn` take turns with this one. `around` is
        entered for each transaction, with its requests; `committed` is called after it. Both in the thread.
        """
        self._engine = engine
        self._around = around
        self._turn = os.open(turn, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._committed = committed
        self._waiting: SimpleQueue[_Write | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, apply: Apply[R, T], request: R) -> T:
        """Carry out one write; it is durable once this returns. Raises what `apply` gave, `Unavailable`."""
        if self._closed:
            raise Unavailable("the service is stopping; try again")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.put(_Write(apply, request, loop, done))
        return cast("T", await done)

    def close(self) -> None:
        """Finish what is waiting, then end the thread."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        os.close(self._turn)

    def _run(self) -> None:
        with self._engine.connect() as connection:
            open_ = True
            while open_:
                batch, open_ = self._take()
                if batch:
                    _answer(batch, self._commit(connection, batch))

    def _take(self) -> tuple[list[_Write], bool]:
        """All that is waiting, at least one; and whether more will come."""
        batch: list[_Write] = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= _MOST:
                return batch, True
            try:
                item = self._waiting.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite's own lock is waited for by sleeping and trying again, which lets some writers starve; this
        one wakes them in the order they came.
        """
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _commit(self, connection: Connection, batch: list[_Write]) -> list[Any]:
        try:
            with self._in_turn(), self._around([write.request for write in batch]):
                results = _transaction(connection, batch)
        except Exception as error:  # noqa: BLE001 (it is given to the caller whose write it was)
            if len(batch) == 1:
                return [_translated(error)]
            return [result for write in batch for result in self._commit(connection, [write])]
        self._committed()
        return results


def _transaction(connection: Connection, batch: list[_Write]) -> list[Any]:
    # IMMEDIATE takes the write lock at once: a read lock that is raised later cannot wait its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        results: list[Any] = []
        for apply, writes in groupby(batch, key=lambda write: write.apply):
            results.extend(apply(connection, [write.request for write in writes]))
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        with suppress(SQLAlchemyError):  # after some failures SQLite has rolled back by itself
            connection.exec_driver_sql("ROLLBACK")
        raise
    return results


def _translated(error: Exception) -> Exception:
    if isinstance(error, SQLAlchemyError):
        unavailable = Unavailable("the database cannot be written now; try again")
        unavailable.__cause__ = error
        return unavailable
    return error


def _answer(batch: list[_Write], results: list[Any]) -> None:
    """Wake the callers: one call into each loop, however many they are."""
    pairs = list(zip(batch, results, strict=True))
    for loop in {write.loop for write in batch}:
        loop.call_soon_threadsafe(_settle, [pair for pair in pairs if pair[0].loop is loop])


def _settle(pairs: list[tuple[_Write, Any]]) -> None:
    for write, result in pairs:
        if write.done.cancelled():
            continue
        if isinstance(result, Exception):
            write.done.set_exception(result)
        else:
            write.done.set_result(result)
