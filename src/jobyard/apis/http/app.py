"""The HTTP application: routes that others made, one body for errors, and nothing per request besides."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.types import ControllerRouterHandler

from jobyard.apis.http.errors import exception_handlers
from jobyard.apis.http.guard import guard_against_pages

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build_app(
    *,
    routes: Sequence[ControllerRouterHandler],
    max_body: int,
    names: Collection[str] | None = None,
    lifespan: Sequence[Lifespan] = (),
) -> Litestar:
    """An ASGI application. `max_body` is the largest request body in bytes, whatever route reads it; `names`
    are for `guard_against_pages`.
    """
    return Litestar(
        route_handlers=routes,
        before_request=guard_against_pages(names),
        exception_handlers=exception_handlers(),
        lifespan=lifespan,
        request_max_body_size=max_body,
        openapi_config=None,  # each protocol describes itself, word for word
        logging_config=None,  # structlog is set up by the process
        debug=False,
    )
