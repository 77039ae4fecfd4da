"""`jobyard serve`: processes under a small supervisor, which restarts a dead one and stops all in order.

Everything is imported before the first fork, so that the processes share the memory of the code.
"""

import errno
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Self

import structlog

from jobyard import bootstrap
from jobyard.apis.http.listener import open_sockets
from jobyard.domain.errors import Unavailable
from jobyard.settings import Settings, split_address

log = structlog.stdlib.get_logger(__name__)

_PORT_SECONDS = 2
"""How long a port may still be taken by what ends just now."""
_STOP_SECONDS = 30
"""How long a process may take to finish what it does before it is killed."""
_STEADY_SECONDS = 10
"""A process that lived so long did not fail at its start."""
_MOST_FAILURES = 5
"""In a row, each before a process was steady: then something is wrong that no restart will mend."""


class Role(StrEnum):
    """What a process does."""

    API = "api"
    """Answers requests; any number of processes."""
    ENGINE = "engine"
    """Runs jobs."""


@dataclass(slots=True, kw_only=True)
class _Child:
    """A process that should be there."""

    name: str
    role: Role
    run: Callable[[Callable[[], None]], None]
    """Does the work until TERM comes; calls what it is given once it is ready."""
    pid: int = 0
    started: float = 0
    failures: int = 0
    ready: bool = False
    restart_at: float | None = field(default=None)


def serve(settings: Settings, roles: Sequence[Role]) -> None:
    """Serve until INT or TERM. Raises `JobyardError` where it cannot start."""
    bootstrap.prepare(settings)
    sockets = _open(settings) if Role.API in roles else []
    children = list(_children(settings, roles, sockets))
    gc.freeze()  # what is here now is everybody's: no collection writes to its pages
    with _Supervisor(children) as supervisor:
        supervisor.start()
        if supervisor.wait_until_ready() and sockets:
            host, port = sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on http://{shown}:{port}", flush=True)  # noqa: T201 (the one line others wait for)
        supervisor.watch()


def _open(settings: Settings) -> list[socket.socket]:
    """Patient: the processes of a server whose supervisor was killed let go of the port a moment later."""
    host, port = split_address(settings.server.listen)
    workers = settings.server.workers or min(4, os.cpu_count() or 1)
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            return open_sockets(host, port, workers)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            if taken and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            reason = "it is in use" if taken else (error.strerror or str(error))
            raise Unavailable(
                f"cannot listen on {settings.server.listen}: {reason}; choose another with --listen HOST:PORT"
            ) from error


def _children(
    settings: Settings, roles: Sequence[Role], sockets: Sequence[socket.socket]
) -> Iterator[_Child]:
    for index, given in enumerate(sockets):
        yield _Child(name=f"api-{index}", role=Role.API, run=partial(bootstrap.run_api, settings, given))
    if Role.ENGINE in roles:
        yield _Child(name="engine", role=Role.ENGINE, run=partial(bootstrap.run_engine, settings))


class _Supervisor:
    """Single-threaded, without an event loop, so that it may fork at any time."""

    def __init__(self, children: Sequence[_Child]) -> None:
        self._children = children
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._failed = False

    def __enter__(self) -> Self:
        self._signals, wakeup = socket.socketpair()
        for end in (self._signals, wakeup):
            end.setblocking(False)
        self._wakeup = wakeup
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, _nothing)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._signals, selectors.EVENT_READ, None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._signals.close()
        self._wakeup.close()
        if self._failed:
            sys.exit(1)

    def start(self) -> None:
        for child in self._children:
            self._fork(child)

    def wait_until_ready(self) -> bool:
        """Whether all are; otherwise the service is to stop."""
        while not self._stopping and not all(child.ready for child in self._children):
            self._turn()
        return not self._stopping

    def watch(self) -> None:
        while not self._stopping:
            self._turn()

    def _turn(self) -> None:
        """Wait for news, then act on them."""
        due = [child.restart_at for child in self._children if child.restart_at is not None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._on_signals(self._signals.recv(4096))
            else:
                self._on_ready(key)
        for child in self._children:
            if not self._stopping and child.restart_at is not None and child.restart_at <= time.monotonic():
                self._fork(child)

    def _on_signals(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stopping = True
        if signal.SIGCHLD in numbers:
            self._reap()

    def _on_ready(self, key: selectors.SelectorKey) -> None:
        child: _Child = key.data
        fd = key.fd
        self._selector.unregister(fd)
        child.ready = child.ready or os.read(fd, 1) != b""  # nothing is read where the process has died
        os.close(fd)

    def _fork(self, child: _Child) -> None:
        reading, writing = os.pipe()
        child.restart_at = None
        child.started = time.monotonic()
        parent = os.getpid()
        child.pid = os.fork()
        if child.pid == 0:
            os.close(reading)
            self._selector.close()
            _become(child, writing, parent)
        os.close(writing)
        self._selector.register(reading, selectors.EVENT_READ, child)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid and os.waitpid(child.pid, os.WNOHANG) != (0, 0):
                child.pid = 0
                if not self._stopping:
                    self._died(child)

    def _died(self, child: _Child) -> None:
        steady = time.monotonic() - child.started > _STEADY_SECONDS
        child.failures = 1 if steady else child.failures + 1
        if child.failures >= _MOST_FAILURES:
            log.error("a process dies again and again, stopping", process=child.name)
            self._stopping = self._failed = True
            return
        delay = 0.1 * 2**child.failures
        log.warning("a process died, starting it again", process=child.name, seconds=delay)
        child.restart_at = time.monotonic() + delay

    def _stop_all(self) -> None:
        """The APIs first, so that no more work comes in; then the engine. Jobs go on running."""
        for role in Role:
            stopping = [child for child in self._children if child.role is role and child.pid]
            for child in stopping:
                os.kill(child.pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            for child in stopping:
                _wait(child.pid, deadline)
                child.pid = 0


def _become(child: _Child, ready: int, parent: int) -> None:
    """In the new process: do the child's work, and never return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor decides the order
        bootstrap.die_with(parent)
        with _reported(child.name):
            child.run(lambda: _announce(ready))
            status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def _reported(name: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("a process ends", process=name)
        raise


def _announce(ready: int) -> None:
    with suppress(BrokenPipeError):  # the supervisor was killed, and this process is about to end
        os.write(ready, b"!")
    os.close(ready)


def _wait(pid: int, deadline: float) -> None:
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            log.warning("a process did not stop in time and is killed", pid=pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.01)


def _nothing(_number: int, _frame: object) -> None:
    """A handler, so that the signal wakes the supervisor instead of ending it."""
