"""Clients that send tasks and do not give up: what was acknowledged is remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from faults.cases import TERMINAL, Case

Task = dict[str, Any]  # as the API shows it

_TIMEOUT_S = 3
_AGAIN_S = 0.1
_LOOK_S = 0.25
_BURST = 4
"""The most tasks that a client has under way."""
_REPEATED = 0.1
"""The share of creates that are sent again although they were acknowledged."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """An acknowledged task."""

    case: Case
    id: str
    cancel_accepted: bool = False


@dataclass(slots=True)
class Clients:
    """Many callers of one service."""

    http: httpx.AsyncClient
    """Its base is the URL of the TES API."""
    random: Random
    sent: list[Sent] = field(default_factory=list)
    ended: int = 0
    retries: int = 0
    """Requests that broke off, or were refused for now, and were made again."""
    wrong: list[str] = field(default_factory=list)
    """Answers that should not have been given."""

    async def send_all(self, cases: Sequence[Case], clients: int) -> None:
        """Each client sends a few tasks, waits until they have ended, and goes on."""
        waiting = list(reversed(cases))

        async def client() -> None:
            while waiting:
                burst = [waiting.pop() for _ in range(min(self.random.randint(1, _BURST), len(waiting)))]
                await asyncio.gather(*map(self._one, burst))

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())

    async def task(self, id: str) -> Task:
        """As it is now, in full."""
        answer = await self._insist(lambda: self.http.get(f"/tasks/{id}", params={"view": "FULL"}))
        task: Task = answer.json()
        return task

    async def _one(self, case: Case) -> None:
        sent = Sent(case=case, id=await self._create(case))
        self.sent.append(sent)
        if self.random.random() < _REPEATED and await self._create(case) != sent.id:
            self.wrong.append(f"{sent.id}: the same create made another task")
        if case.cancel_after is not None:
            await asyncio.sleep(case.cancel_after)
            await self._insist(lambda: self.http.post(f"/tasks/{sent.id}:cancel"))
            sent.cancel_accepted = True
        await self._wait(sent.id)
        self.ended += 1

    async def _create(self, case: Case) -> str:
        key = {"Idempotency-Key": case.token}
        answer = await self._insist(lambda: self.http.post("/tasks", json=case.body, headers=key))
        id: str = answer.json()["id"]
        return id

    async def _wait(self, id: str) -> None:
        seen = ""
        while seen not in TERMINAL:
            await asyncio.sleep(_LOOK_S)
            seen = (await self._insist(lambda: self.http.get(f"/tasks/{id}"))).json()["state"]

    async def _insist(self, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Make a request until it is answered. Anything but success or "not now" is wrong."""
        while True:
            try:
                answer = await request()
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                return answer
            if answer is not None and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.wrong.append(f"{answer.request.method} {answer.request.url}: {answer.status_code}")
            self.retries += 1
            await asyncio.sleep(_AGAIN_S)


def client_of(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx.AsyncClient(base_url=f"{url}/ga4gh/tes/v1", timeout=_TIMEOUT_S, limits=limits)
