"""An executor that keeps all promises of `executors/base.py` and runs nothing: it is told what happens."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from jobyard.domain.errors import Failure, Unavailable
from jobyard.domain.resources import Amount
from jobyard.executors.base import Handle, Observation, Outcome, Phase, Spec

STARTING = Observation(phase=Phase.STARTING)
RUNNING = Observation(phase=Phase.RUNNING)
FINALIZING = Observation(phase=Phase.FINALIZING)
GONE = Observation(phase=Phase.GONE)


def ended(outcome: Outcome, *, passing: bool = False, system_log: tuple[str, ...] = ()) -> Observation:
    return Observation(phase=Phase.ENDED, outcome=outcome, passing=passing, system_log=system_log)


SUCCEEDED = ended(Outcome.SUCCEEDED)


class ScriptedExecutor:
    """Attempts start as `begins` says and are then as they were last `show`n.

    Like a real backend it outlives the engines that use it, one after the other.
    """

    def __init__(
        self,
        *,
        name: str = "scripted",
        capacity: Amount | None = None,
        default: Amount | None = None,
        begins: Observation = STARTING,
    ) -> None:
        self.name = name
        self.capacity = capacity
        self.default = default or Amount(cores=1)
        self.storage: tuple[str, ...] = ()
        self.begins = begins
        self.ends_on_cancel = True
        """False: a canceled attempt goes on until it is shown to have ended."""
        self.outage = False
        """While True, the backend cannot be asked: every call but `changed` raises `Unavailable`."""
        self.unanswered = 0
        """Calls that failed by an outage."""
        self.started: list[Spec] = []
        """What each call of `start` was given, the refused ones and the repeated ones too."""
        self.canceled: list[Handle] = []
        self.cleaned: list[Handle] = []
        self._refusals: dict[str, Failure] = {}
        self._attempts: dict[Handle, Observation] = {}
        self._news: set[Handle] = set()
        self._rung = asyncio.Event()
        self._touched = asyncio.Event()

    def show(self, key: str, seen: Observation) -> None:
        """From now on the attempt (`Spec.key`) is so. A GONE one is as if never started."""
        handle = Handle(key)
        if seen.phase is Phase.GONE:
            self._attempts.pop(handle, None)
        else:
            self._attempts[handle] = seen
        self._news.add(handle)
        self._rung.set()

    def refuse(self, key: str, failure: Failure) -> None:
        """Raise `failure` when the attempt (`Spec.key`) is to start."""
        self._refusals[key] = failure

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds`; looked at after each call."""
        while not holds():
            self._touched.clear()
            await self._touched.wait()

    @property
    def present(self) -> frozenset[str]:
        """Keys of the attempts of which something exists."""
        return frozenset(self._attempts)

    async def start(self, spec: Spec) -> Handle:
        self._asked()
        self.started.append(spec)
        if spec.key in self._refusals:
            raise self._refusals[spec.key]
        handle = Handle(spec.key)
        self._attempts.setdefault(handle, self.begins)
        return handle

    async def held(self) -> Collection[Handle]:
        self._asked()
        return list(self._attempts)

    async def find(self, keys: Collection[str]) -> Mapping[str, Handle]:
        self._asked()
        return {key: Handle(key) for key in keys if key in self._attempts}

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        self._asked()
        return {handle: self._attempts.get(handle, GONE) for handle in handles}

    async def cancel(self, handle: Handle) -> None:
        self._asked()
        self.canceled.append(handle)
        seen = self._attempts.get(handle)
        if self.ends_on_cancel and seen is not None and seen.phase is not Phase.ENDED:
            self.show(handle, replace(seen, phase=Phase.ENDED, outcome=Outcome.CANCELED))

    async def clean(self, handle: Handle) -> None:
        self._asked()
        self.cleaned.append(handle)
        self._attempts.pop(handle, None)

    async def changed(self) -> Collection[Handle]:
        await self._rung.wait()
        self._rung.clear()
        news, self._news = self._news, set()
        return news

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _asked(self) -> None:
        """To be called first, with no `await` after it: who waits in `until` looks when the call is over."""
        self._touched.set()
        if self.outage:
            self.unanswered += 1
            raise Unavailable("the backend cannot be reached now; try again")
