"""Runs attempts as processes of this host. They outlive this process, and are found again by the next one."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from typing_extensions import override

from jobyard.domain.errors import Failure
from jobyard.domain.resources import Amount
from jobyard.executors.base import Executor, Handle, Observation, Phase, Spec
from jobyard.executors.local.attempt import Attempt, Means
from jobyard.executors.local.bell import Bell
from jobyard.executors.local.containers import container_names
from jobyard.executors.local.folder import CANCELED, Folder
from jobyard.executors.local.leader import kill_now

_log = structlog.stdlib.get_logger(__name__)

_KEY = re.compile(r"[A-Za-z0-9_-]+\.[0-9]+")

_NO_ENGINE = (
    'no container engine works on this host (see "jobyard doctor"). To run jobs as plain processes of it, '
    'which keeps nothing of it from them, set runtime = "process" in the section [local] '
    "(JOBYARD_LOCAL__RUNTIME=process)"
)

_GONE = Observation(phase=Phase.GONE)

_FEW = 8
"""So many running attempts are looked at without a thread: a matter of microseconds each."""


@dataclass(slots=True)
class _Running:
    attempt: Attempt
    task: asyncio.Task[None]


class LocalExecutor(Executor):
    """Open it where an event loop runs; one executor for a directory at a time."""

    name = "local"

    def __init__(
        self,
        directory: Path,
        means: Means,
        *,
        engine_missing: bool,
        capacity: Amount,
        default: Amount,
        storage: Sequence[str],
    ) -> None:
        self.capacity = capacity
        self.default = default
        self.storage = tuple(storage)
        self._directory = directory
        self._means = means
        self._engine_missing = engine_missing
        self._known: dict[Handle, _Running] = {}
        self._news: set[Handle] = set()
        self._arrived = asyncio.Event()
        self._bell: Bell | None = None

    @override
    async def held(self) -> Collection[Handle]:
        return [Handle(path.name) for path in self._directory.iterdir() if _KEY.fullmatch(path.name)]

    @override
    async def start(self, spec: Spec) -> Handle:
        handle = Handle(spec.key)
        if handle in self._known:
            return handle
        if self._engine_missing:
            raise Failure(_NO_ENGINE)
        folder = self._folder(handle)
        if folder is None:
            raise Failure("the job has no name that a directory could have")
        try:
            folder.take_up(spec)
        except UnicodeEncodeError as error:
            raise Failure("the job holds text that is no Unicode") from error
        except OSError as error:
            raise Failure(f"no room for the job's files: {error.strerror}", passing=True) from error
        self._take_up(handle, spec, folder)
        return handle

    @override
    async def find(self, keys: Collection[str]) -> Mapping[str, Handle]:
        found = {}
        for key in keys:
            handle, folder = Handle(key), self._folder(key)
            if handle not in self._known:
                spec = folder.spec() if folder else None
                if folder is None or spec is None:
                    continue
                self._take_up(handle, spec, folder)
            found[key] = handle
        return found

    @override
    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        attempts = {handle: known.attempt for handle in handles if (known := self._known.get(handle))}
        busy = sum(not attempt.ended for attempt in attempts.values())

        def look() -> dict[Handle, Observation]:
            return {handle: attempt.observe() for handle, attempt in attempts.items()}

        seen = look() if busy <= _FEW else await asyncio.to_thread(look)
        return {handle: seen.get(handle, _GONE) for handle in handles}

    @override
    async def cancel(self, handle: Handle) -> None:
        if known := self._known.get(handle):
            known.attempt.cancel()
        elif (folder := self._folder(handle)) and folder.path.exists():
            folder.mark(CANCELED)  # honoured when it is started again

    @override
    async def clean(self, handle: Handle) -> None:
        if known := self._known.get(handle):
            known.attempt.cancel()
            await asyncio.wait({known.task})
        folder = self._folder(handle)
        try:
            if folder and not known:
                kill_now(folder)
                await self._remove_containers(folder)
            if folder and not folder.remove_if_small():
                await asyncio.to_thread(folder.remove)
        except OSError:  # nothing that the caller could do about it
            _log.exception("files of an attempt not removed", attempt=handle)
        self._known.pop(handle, None)
        self._news.discard(handle)

    @override
    async def changed(self) -> Collection[Handle]:
        await self._arrived.wait()
        self._arrived.clear()
        news, self._news = self._news, set()
        return news

    @override
    async def close(self) -> None:
        tasks = {known.task for known in self._known.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._known.clear()
        if self._bell:
            self._bell.close()
            self._bell = None

    def _take_up(self, handle: Handle, spec: Spec, folder: Folder) -> None:
        if self._bell is None:
            self._bell = Bell(self._directory, self._rang)
        attempt = Attempt(spec, folder, self._means, lambda: self._tell(handle))
        task = asyncio.create_task(attempt.run(), name=f"attempt {handle}")
        self._known[handle] = _Running(attempt, task)

    def _folder(self, key: str) -> Folder | None:
        """None for what could not be the key of an attempt."""
        return Folder(self._directory / key) if _KEY.fullmatch(key) else None

    async def _remove_containers(self, folder: Folder) -> None:
        """Those of an attempt that nobody follows any more."""
        if (engine := self._means.engine) and (spec := folder.spec()):
            begun = folder.marks(len(spec.work.commands))
            await engine.remove(container_names(spec.key, len(begun)))

    def _rang(self, key: str) -> None:
        if known := self._known.get(Handle(key)):
            known.attempt.rang()

    def _tell(self, handle: Handle) -> None:
        self._news.add(handle)
        self._arrived.set()
