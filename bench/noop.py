"""How many jobs that do nothing go through in a second: the service's own cost of a job."""

import asyncio
import time

import httpx
from instance import InstanceError

TASKS = "/ga4gh/tes/v1/tasks"
_CLIENTS = 16
_SECONDS_AT_MOST = 120
_POLL_SECONDS = 0.1
_ON_THE_WAY = ("QUEUED", "INITIALIZING", "RUNNING")  # in the order in which a task goes through them
_NOOP = {"name": "no-op", "executors": [{"image": "alpine:3", "command": ["true"]}]}


def jobs_per_second(url: str, jobs: int) -> float:
    """From the first create to the last COMPLETE. Raises `InstanceError` if any job did not get there."""
    return asyncio.run(_jobs_per_second(url, jobs))


async def _jobs_per_second(url: str, jobs: int) -> float:
    limits = httpx.Limits(max_connections=_CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits) as api:
        began = time.monotonic()
        await asyncio.gather(*(_create(api, jobs, start) for start in range(_CLIENTS)))
        async with asyncio.timeout(_SECONDS_AT_MOST):
            for state in _ON_THE_WAY:
                await _until_none(api, state)
        seconds = time.monotonic() - began
        complete = await _count(api, "COMPLETE", jobs + 1)
    if complete != jobs:
        raise InstanceError(f"{complete} of {jobs} no-op jobs ended in COMPLETE")
    return jobs / seconds


async def _create(api: httpx.AsyncClient, jobs: int, start: int) -> None:
    for _ in range(start, jobs, _CLIENTS):
        (await api.post(TASKS, json=_NOOP)).raise_for_status()


async def _until_none(api: httpx.AsyncClient, state: str) -> None:
    while await _count(api, state, 1):  # noqa: ASYNC110 (the API has nothing to wait on)
        await asyncio.sleep(_POLL_SECONDS)


async def _count(api: httpx.AsyncClient, state: str, at_most: int) -> int:
    """How many tasks are in a state; no more than one page is looked at (2047)."""
    answer = await api.get(TASKS, params={"state": state, "page_size": at_most})
    return len(answer.raise_for_status().json()["tasks"])
