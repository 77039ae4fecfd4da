"""What is measured, part by part. Each part has a server and a directory of its own."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
from fill import QUERIES, fill
from instance import Instance, InstanceError, serving
from load import Load, Rate, drive
from noop import TASKS, jobs_per_second
from report import RATIO_GOAL, Figure, figure, rate_figure

VIEWS = ("MINIMAL", "BASIC", "FULL")
CONNECTIONS = (1, 32, 128)
_NOOP_JOBS = 1000
_STORED = 10_000
_MANY_STORED = 1_000_000
_STATE_SECONDS = 30

_TASK = {
    "name": "align-sample",
    "tags": {"project": "p7"},
    "inputs": [{"url": "file:///data/reads.fastq.gz", "path": "/inputs/reads.fastq.gz"}],
    "outputs": [{"url": "file:///data/out.json", "path": "/results/out.json"}],
    "resources": {"cpu_cores": 1, "ram_gb": 1},
    "executors": [{"image": "alpine:3", "command": ["align", "/inputs/reads.fastq.gz"]}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    scratch: Path
    seconds: int
    """Of each single load."""
    full: bool
    """Also what takes minutes."""


Part = Callable[[Setup], Iterator[Figure]]


def start(setup: Setup) -> Iterator[Figure]:
    """Seconds to ready, without and with a database, and memory before and after load."""
    data = setup.scratch / "start"
    with serving(data) as instance:
        yield figure("first start", instance.seconds_to_ready, "s")
    with serving(data) as instance:
        yield figure("second start", instance.seconds_to_ready, "s")
        yield figure("memory when ready", instance.pss_mb(), "MB")
        with _machine_taken(instance):
            _drive(instance, setup, [TASKS], 32, body=_TASK)
            _drive(instance, setup, [f"{TASKS}?page_size=50&view=FULL"], 32)
            yield figure("memory after load", instance.pss_mb(), "MB")


def create(setup: Setup) -> Iterator[Figure]:
    """Durable creates: behind the API alone, and with an engine that sees a growing queue."""
    for role in ("api", "all"):
        with (
            serving(setup.scratch / f"create-{role}", role=role) as instance,
            _machine_taken(instance) if role == "all" else nullcontext(),
        ):
            for connections in CONNECTIONS:
                rate = _drive(instance, setup, [TASKS], connections, body=_TASK)
                yield rate_figure(f"create, --role {role}, {_named(connections)}", rate)


def get(setup: Setup) -> Iterator[Figure]:
    """One task by id, a thousand tasks in turn."""
    data = setup.scratch / "get"
    ids = fill(data, _STORED)
    with serving(data) as instance:
        for view in VIEWS:
            paths = [f"{TASKS}/{id}?view={view}" for id in ids]
            for connections in CONNECTIONS:
                rate = _drive(instance, setup, paths, connections)
                yield rate_figure(f"get {view}, {_named(connections)}", rate)


def list_(setup: Setup) -> Iterator[Figure]:
    """The newest fifty."""
    data = setup.scratch / "list"
    fill(data, _STORED)
    with serving(data) as instance:
        for view in VIEWS:
            paths = [f"{TASKS}?page_size=50&view={view}"]
            for connections in CONNECTIONS:
                rate = _drive(instance, setup, paths, connections)
                yield rate_figure(f"list 50 {view}, {_named(connections)}", rate)


def noop(setup: Setup) -> Iterator[Figure]:
    """Jobs that do nothing, from create to COMPLETE."""
    for sandbox in ("none", "bubblewrap"):
        settings = {"LOCAL__SANDBOX": sandbox}
        with serving(setup.scratch / f"noop-{sandbox}", settings=settings) as instance:
            yield figure(f"no-op jobs, sandbox {sandbox}", jobs_per_second(instance.url, _NOOP_JOBS), "/s")


def scale(setup: Setup) -> Iterator[Figure]:
    """Does a query cost more when more is stored? Medians at one connection, and their ratio.

    Each query goes to one server right after the other, so that what else the machine does touches both.
    """
    sizes = (_STORED, _MANY_STORED) if setup.full else (_STORED,)
    queries = {}
    with ExitStack() as servers:
        for size in sizes:
            data, began = setup.scratch / f"stored-{size}", time.monotonic()
            ids = fill(data, size)
            yield figure(f"fill with {size:,} tasks", size / (time.monotonic() - began), "/s")
            queries[servers.enter_context(serving(data))] = _queries(ids)
        for name in _queries(()):
            medians = []
            for size, (instance, paths) in zip(sizes, queries.items(), strict=True):
                rate = _drive(instance, setup, paths[name], 1)
                medians.append(rate.p50_ms)
                yield rate_figure(f"{name}; {size:,} stored", rate)
            if setup.full:
                ratio = medians[-1] / medians[0]
                yield Figure(name=f"{name}; many : few", value=ratio, unit="x", goal=RATIO_GOAL)


def _queries(ids: Sequence[str]) -> dict[str, list[str]]:
    """Paths by name; gets take the ids in turn."""
    gets = {f"get {view}": [f"{TASKS}/{id}?view={view}" for id in ids] for view in ("MINIMAL", "FULL")}
    lists = {f"list 50, {name}": [f"{TASKS}?page_size=50{filters}"] for name, filters in QUERIES.items()}
    return gets | lists


PARTS: Mapping[str, Part] = {
    "start": start,
    "create": create,
    "get": get,
    "list": list_,
    "noop": noop,
    "scale": scale,
}


def _drive(
    instance: Instance,
    setup: Setup,
    paths: Sequence[str],
    connections: int,
    body: Mapping[str, object] | None = None,
) -> Rate:
    return drive(
        Load(url=instance.url, paths=paths, connections=connections, seconds=setup.seconds, body=body)
    )


def _named(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"


@contextmanager
def _machine_taken(instance: Instance) -> Iterator[None]:
    """A task that sleeps on all cores, so that what is created queues up behind it."""
    sleeper = {
        "resources": {"cpu_cores": os.cpu_count()},
        "executors": [{"image": "alpine:3", "command": ["sleep", "600"]}],
    }
    with httpx.Client(base_url=instance.url, timeout=30, trust_env=False) as api:
        id = api.post(TASKS, json=sleeper).raise_for_status().json()["id"]
        try:
            _wait_for(api, id, "RUNNING")
            yield
        finally:
            api.post(f"{TASKS}/{id}:cancel").raise_for_status()
            _wait_for(api, id, "CANCELED")


def _wait_for(api: httpx.Client, id: str, state: str) -> None:
    deadline = time.monotonic() + _STATE_SECONDS
    while (seen := api.get(f"{TASKS}/{id}").raise_for_status().json()["state"]) != state:
        if time.monotonic() > deadline:
            raise InstanceError(f"a task was {seen} and not {state} after {_STATE_SECONDS} s")
        time.sleep(0.02)
