"""The process that leads an attempt's commands: started or found again, watched, ended."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobyard.executors.local import processes
from jobyard.executors.local.folder import CANCELED, TIMED_OUT, Folder

_LAST_WAIT_S = 5.0
"""For the script to write down how its command was killed, before it is killed too."""
_TAKEN_WAIT_S = 2.0
"""For a script between taking the start and writing its number down: two lines of its shell."""
_GLANCE_S = 0.01


@dataclass(slots=True, kw_only=True)
class Leader:
    folder: Folder
    environment: dict[str, str]
    kill_grace: timedelta
    time_limit: timedelta | None
    """From the start of the first command."""
    kill: Callable[[], Awaitable[None]] | None = None
    """Kills what of the commands is no process that the script started: containers."""
    _pid: int = 0
    _exited: asyncio.Future[None] | None = None
    _ending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start the script, or find it running; return when nothing of it is left."""
        pid = self.folder.pid()
        if pid is None:
            started = processes.spawn(self.folder.path, self.environment)
            await self._exit_of(started)
            pid = await self._first()
            if pid == started:
                return
        # A script that an earlier process had started was first.
        if pid is not None and processes.runs(pid, self.folder.path):
            await self._exit_of(pid)

    async def _first(self) -> int | None:
        """Who took the start; started by an engine before this one, it may not have come to say so yet."""
        patience = _TAKEN_WAIT_S
        while (pid := self.folder.pid()) is None and self.folder.has("pid") and patience > 0:
            await asyncio.sleep(_GLANCE_S)
            patience -= _GLANCE_S
        return pid

    def end(self) -> None:
        """Ask the commands to end, and make them after the grace time. Silent when there are none."""
        if self._exited and self._ending is None:
            self._ending = asyncio.create_task(self._end(self._exited))

    async def _exit_of(self, pid: int) -> None:
        self._pid = pid
        self._exited = exited = processes.exit_of(pid)
        alarm = asyncio.create_task(self._watch_time(self.time_limit)) if self.time_limit else None
        if self.folder.has(CANCELED) or self.folder.has(TIMED_OUT):
            self.end()
        try:
            await exited
            processes.sweep(pid)
        finally:
            self._exited = None
            for task in (alarm, self._ending):
                if task:
                    task.cancel()
            self._ending = None

    async def _watch_time(self, limit: timedelta) -> None:
        """A mark, not the memory of this process, says when the time began."""
        begun = self.folder.time_of("1.start") or datetime.now(UTC)
        await asyncio.sleep((begun + limit - datetime.now(UTC)).total_seconds())
        self.folder.mark(TIMED_OUT)
        self.end()

    async def _end(self, exited: asyncio.Future[None]) -> None:
        told: set[int] = set()
        for pause in _pauses(self.kill_grace.total_seconds()):
            told |= processes.tell(self._pid, signal.SIGTERM, but=told)
            if await _done(exited, pause):
                return
        if self.kill:
            await self.kill()
            if await _done(exited, _LAST_WAIT_S):
                return
        processes.tell(self._pid, signal.SIGKILL)
        if not await _done(exited, _LAST_WAIT_S):
            processes.sweep(self._pid)


def kill_now(folder: Folder) -> None:
    """End what still runs of an attempt that nobody follows any more."""
    pid = folder.pid()
    if pid is not None and processes.runs(pid, folder.path):
        processes.tell(pid, signal.SIGKILL)
        processes.sweep(pid)


def _pauses(total_s: float) -> Iterator[float]:
    """Short at first, since a process may have begun just after the others were told."""
    pause = 0.05
    while total_s > 0:
        yield min(pause, total_s)
        total_s -= pause
        pause *= 2


async def _done(future: asyncio.Future[None], timeout_s: float) -> bool:
    done, _ = await asyncio.wait({future}, timeout=timeout_s)
    return bool(done)
