"""What a Prometheus server reads: requests of all API processes, and jobs by state."""

import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from jobyard.domain.state import State

_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The client library reads this when it is first imported: so that is done late, in functions."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds


def share_metrics(directory: Path) -> None:
    """Let all processes forked after this add up their numbers. Those of an earlier run are dropped."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ[_DIRECTORY] = str(directory)
    import prometheus_client.multiprocess  # noqa: F401 (before the fork, for the memory)


def measured(app: ASGIApp) -> ASGIApp:
    """The application, with each request counted and timed."""
    from prometheus_client import Histogram

    seconds = Histogram(
        "jobyard_http_request_seconds",
        "Time to answer, by method and status.",
        ["method", "status"],
        buckets=_BUCKETS,
    )

    @lru_cache(256)
    def observer(method: str, status: int) -> Callable[[float], None]:
        return seconds.labels(method if method in _METHODS else "other", str(status)).observe

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()

        async def measured_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                http: HTTPScope = scope  # type: ignore[assignment]  # Granian speaks HTTP only here
                observer(http["method"], message["status"])(time.perf_counter() - started)
            await send(message)

        await app(scope, receive, measured_send)

    return application


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def render_metrics(count: Callable[[], Awaitable[Mapping[State, int]]]) -> tuple[bytes, str]:
    """The exposition and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    if _DIRECTORY in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    body = generate_latest(registry)
    now = CollectorRegistry()
    jobs = Gauge("jobyard_jobs", "Jobs by state.", ["state"], registry=now)
    for state, number in (await count()).items():
        jobs.labels(state.value).set(number)
    return body + generate_latest(now), CONTENT_TYPE_LATEST
