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


class _GivenSocketServer(Server):
    """Granian opens its own socket; this one outlives its process, so that a dead one loses no connection."""

    def __init__(self, app: ASGIApp, given: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            log_enabled=False,
        )
        self._given = given

    @override
    def _init_shared_socket(self) -> None:
        # Its type stubs know neither this constructor nor that the holder may be set.
        self._ssp = None
        self._shd = SocketHolder(self._given.fileno(), False, BACKLOG)  # type: ignore[call-arg, assignment]


def open_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Listening sockets on one address, one for each process that is forked later; port 0 picks a free one.
    Raises `OSError`.

    The kernel deals connections out among them evenly; from one shared socket, whoever wakes first takes all
    that come at once. What waits at the socket of a process that died waits for the next one. No program
    inherits them: a job that held one would keep the port when the server has gone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Alone first: sockets that share a port would share it with another server's, too.
    with socket.create_server((host, port), family=family) as alone:
        port = alone.getsockname()[1]
    opened = [
        socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)
        for _ in range(count)
    ]
    for one in opened:
        one.setblocking(False)
    return opened


async def listen(app: ASGIApp, given: socket.socket, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Answer requests until `stop` is set, then finish those that are under way."""
    server = _GivenSocketServer(app, given)
    server.on_startup(lambda: asyncio.get_running_loop().call_soon(ready))
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.stop()  # type: ignore[no-untyped-call]
    await serving
