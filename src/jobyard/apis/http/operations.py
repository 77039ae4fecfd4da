"""What operators and their tools ask of the service."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import HttpMethod, Response, route
from litestar.handlers import HTTPRouteHandler

Ready = Callable[[], Awaitable[None]]
"""Raises `Unavailable` with the reason while the service cannot do its work."""

Metrics = Callable[[], Awaitable[tuple[bytes, str]]]
"""A body and its media type, as a Prometheus server reads it."""

_OK = b'{"status":"ok"}'


def operation_routes(*, ready: Ready, metrics: Metrics) -> Sequence[HTTPRouteHandler]:
    async def healthz() -> Response[bytes]:
        """The process lives and its loop turns; nothing else is asked."""
        return _ok()

    async def readyz() -> Response[bytes]:
        await ready()
        return _ok()

    async def exposition() -> Response[bytes]:
        body, media_type = await metrics()
        return Response(body, media_type=media_type)

    reading = [HttpMethod.GET, HttpMethod.HEAD]
    return [
        route("/healthz", http_method=reading)(healthz),
        route("/readyz", http_method=reading)(readyz),
        route("/metrics", http_method=reading)(exposition),
    ]


def _ok() -> Response[Any]:
    return Response(_OK, media_type="application/json", headers={"Cache-Control": "no-store"})
