"""What is done to the processes, and when: planned from a seed, spread over the work that gets done."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from faults.served import Part, Served

_GLANCE_S = 0.02
_STOPPED_S = (1.2, 2.5)
"""How long a stopped process sleeps, in lease lengths."""
_START_S = 1.0
"""A start is cut within its first second."""
_STOPS = 0.25
"""Stops for each kill."""


class Damage(StrEnum):
    POWER_CUT = "power cut"
    CUT_AT_START = "power cut, and a kill of the next supervisor while it starts"
    SUPERVISOR = "kill of the supervisor"
    API = "kill of an API worker"
    ENGINE = "kill of the engine"
    STOP_API = "stop of an API worker"
    STOP_ENGINE = "stop of the engine"


_KILLS = {
    Damage.POWER_CUT: 3,
    Damage.CUT_AT_START: 1,
    Damage.SUPERVISOR: 2,
    Damage.API: 2,
    Damage.ENGINE: 4,
}
"""How often each is, of so many in all."""


def planned(random: Random, kills: int) -> list[Damage]:
    """At least so many kills, each kind among the first twelve, and stops between."""
    bag = [damage for damage, times in _KILLS.items() for _ in range(times)]
    plan = [damage for _ in range(0, kills, len(bag)) for damage in random.sample(bag, len(bag))][:kills]
    for number in range(max(2, int(kills * _STOPS))):
        stop = (Damage.STOP_ENGINE, Damage.STOP_API)[number % 2]
        plan.insert(random.randint(0, len(plan)), stop)
    return plan


@dataclass(frozen=True, slots=True)
class Blow:
    """A piece of damage that was done."""

    damage: Damage
    at: float
    """Seconds since 1970."""


@dataclass(slots=True, kw_only=True)
class Attacker:
    served: Served
    random: Random
    lease_s: float
    blows: list[Blow] = field(default_factory=list)
    _sleepers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def kills(self) -> int:
        twice = sum(blow.damage is Damage.CUT_AT_START for blow in self.blows)
        stops = sum(blow.damage in {Damage.STOP_API, Damage.STOP_ENGINE} for blow in self.blows)
        return len(self.blows) - stops + twice

    async def attack(self, plan: list[Damage], progress: Callable[[], float]) -> None:
        """One after another, each when its share of the work (`progress`, 0 to 1) is done."""
        for number, damage in enumerate(plan, start=1):
            while progress() < number / (len(plan) + 1):
                await asyncio.sleep(_GLANCE_S)
            await asyncio.sleep(self.random.random() * 0.3)
            await self._do(damage)
        await asyncio.gather(*self._sleepers)

    async def _do(self, damage: Damage) -> None:
        starts = self.served.starts
        match damage:
            case Damage.POWER_CUT:
                self._strike(damage, self.served.kill_all)
            case Damage.CUT_AT_START:
                self._strike(damage, self.served.kill_all)
                while self.served.starts == starts:
                    await asyncio.sleep(_GLANCE_S)
                await asyncio.sleep(self.random.random() * _START_S)
                for pid in self.served.processes(Part.SUPERVISOR):
                    self.served.kill(pid)
            case Damage.SUPERVISOR | Damage.API | Damage.ENGINE:
                victim = await self._one_of(_PARTS[damage])
                self._strike(damage, lambda: self.served.kill(victim))
            case Damage.STOP_API | Damage.STOP_ENGINE:
                victim = await self._one_of(_PARTS[damage])
                self._strike(damage, lambda: _send(victim, signal.SIGSTOP))
                self._sleepers.append(asyncio.create_task(self._wake(victim)))

    def _strike(self, damage: Damage, strike: Callable[[], None]) -> None:
        now = time.time()
        strike()
        self.blows.append(Blow(damage, now))

    async def _one_of(self, part: Part) -> int:
        while not (there := self.served.processes(part)):
            await asyncio.sleep(_GLANCE_S)
        return self.random.choice(there)

    async def _wake(self, pid: int) -> None:
        await asyncio.sleep(self.lease_s * self.random.uniform(*_STOPPED_S))
        if pid in self.served.processes():
            _send(pid, signal.SIGCONT)


_PARTS = {
    Damage.SUPERVISOR: Part.SUPERVISOR,
    Damage.API: Part.API,
    Damage.STOP_API: Part.API,
    Damage.ENGINE: Part.ENGINE,
    Damage.STOP_ENGINE: Part.ENGINE,
}


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
