"""Serves an ASGI application on a socket that was opened before: Granian, in this process and this loop."""

import asyncio
import socket
from collections.abc import Callable

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar.types import ASGIApp
from typing_extensions import override

BACKLOG = 1024
"""Connections that may wait to be accepted."""


class _SharedSocketServer(Server):
    """Granian opens its own socket; here processes share one, so that a dead one loses no connection."""

    def __init__(self, app: ASGIApp, shared: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            log_enabled=False,
        )
        self._shared = shared

    @override
    def _init_shared_socket(self) -> None:
        # Its type stubs know neither this constructor nor that the holder may be set.
        self._ssp = None
        self._shd = SocketHolder(self._shared.fileno(), False, BACKLOG)  # type: ignore[call-arg, assignment]


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket, for processes that are forked later. Raises `OSError`.

    No program inherits it: a job that held it would keep the port when the server has gone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.create_server((host, port), family=family, backlog=BACKLOG)
    opened.setblocking(False)
    return opened


async def listen(app: ASGIApp, shared: socket.socket, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Answer requests until `stop` is set, then finish those that are under way."""
    server = _SharedSocketServer(app, shared)
    server.on_startup(lambda: asyncio.get_running_loop().call_soon(ready))
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.stop()  # type: ignore[no-untyped-call]
    await serving
