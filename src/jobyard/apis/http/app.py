"""The HTTP application: routes that others made, one body for errors, and nothing per request besides."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.types import ControllerRouterHandler

from jobyard.apis.http.errors import exception_handlers

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build_app(
    *, routes: Sequence[ControllerRouterHandler], max_body: int, lifespan: Sequence[Lifespan] = ()
) -> Litestar:
    """An ASGI application. `max_body` is the largest request body in bytes, whatever route reads it."""
    return Litestar(
        route_handlers=routes,
        exception_handlers=exception_handlers(),
        lifespan=lifespan,
        request_max_body_size=max_body,
        openapi_config=None,  # each protocol describes itself, word for word
        logging_config=None,  # structlog is set up by the process
        debug=False,
    )
