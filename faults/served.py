"""The instance under attack, and the service manager that starts it again, on the same port."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import choice

_GLANCE_S = 0.02
_AGAIN_S = 0.2
"""A service manager's pause before it starts a service again that has ended."""
_READY_S = 120
_STOP_S = 60


class Part(StrEnum):
    SUPERVISOR = "supervisor"
    API = "API worker"
    ENGINE = "engine"


class ServedError(Exception):
    """The server did not do its part."""


_PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to clients, one of whom would else take the server's while it is down."""


def _free_port() -> int:
    while True:
        port = choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass(slots=True, kw_only=True)
class Served:
    """`jobyard serve` on one data directory, kept up as by a service manager."""

    place: Path
    settings: Mapping[str, str]
    """Environment variables without the `JOBYARD_`."""
    port: int = field(default_factory=_free_port)
    starts: int = 0
    gave_up: int = 0
    """How often the supervisor ended by itself."""
    _process: subprocess.Popen[bytes] | None = None
    _killed: bool = False
    """Rather than ended by itself."""
    _stopped: bool = False
    """For good."""

    @property
    def mark(self) -> str:
        """What tasks have in their environment, as `FAULTS`."""
        return self.place.name

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def root(self) -> Path:
        return self.place / "root"

    @property
    def log(self) -> Path:
        return self.place / "serve.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Afterwards it is stopped, as on a machine that is shut down; whatever happens, nothing stays."""
        self.root.mkdir(parents=True)
        keeping = asyncio.create_task(self._keep_up())
        try:
            await self._ready()
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            self.kill_all()
            for pid in self.strays():
                _kill(pid)

    async def stop(self) -> int:
        """With TERM, for good. The exit code."""
        assert self._process is not None
        self._killed = self._stopped = True
        self._process.terminate()
        return await asyncio.wait_for(asyncio.to_thread(self._process.wait), _STOP_S)

    async def _ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while not self.starts or "listening on" not in self._output.read_text():
            if time.monotonic() > deadline:
                raise ServedError(f"not ready after {_READY_S} s:\n{self._last_words()}")
            await asyncio.sleep(_GLANCE_S)

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    async def _keep_up(self) -> None:
        while not self._stopped:
            self._start()
            assert self._process is not None
            while self._process.poll() is None:
                await asyncio.sleep(_GLANCE_S)
            if not self._killed:
                self.gave_up += 1
                await asyncio.sleep(_AGAIN_S)

    def _start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
        environment |= {f"JOBYARD_{name}": value for name, value in self.settings.items()}
        environment |= {"JOBYARD_FILES__ROOTS": json.dumps([str(self.root)])}
        words = [sys.executable, "-m", "jobyard", "serve", "--listen", f"127.0.0.1:{self.port}"]
        with self._output.open("wb") as out, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*words, "--data", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=self.place,
                env=environment,
                start_new_session=True,
            )
        self._killed = False
        self.starts += 1

    @property
    def _output(self) -> Path:
        return self.place / "serve.out"

    def kill_all(self) -> None:
        """A power cut: its whole process group at once, then those that an earlier supervisor left."""
        self._killed = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pid in self.processes():
            _kill(pid)

    def kill(self, pid: int) -> None:
        if self._process is not None and pid == self._process.pid:
            self._killed = True
        _kill(pid)

    def processes(self, part: Part | None = None) -> list[int]:
        """Those of the server that are alive; of an earlier start, too."""
        return [pid for pid in _pids() if self._is_ours(pid) and part in {None, self._part_of(pid)}]

    def _is_ours(self, pid: int) -> bool:
        words = _read(pid, "cmdline").split(b"\0")
        return b"serve" in words and os.fsencode(self.data) in words and not is_zombie(pid)

    def _part_of(self, pid: int) -> Part:
        if self._process is not None and pid == self._process.pid:
            return Part.SUPERVISOR
        lock = str(self.data / "engine.lock")
        return Part.ENGINE if lock in _open_files(pid) else Part.API

    def strays(self) -> dict[int, str]:
        """Processes of the instance or of its jobs, with the command of each."""
        found = {}
        for pid in _pids():
            words, environment = _read(pid, "cmdline"), _read(pid, "environ")
            cwd = ""
            with suppress(OSError):
                cwd = str(Path(f"/proc/{pid}/cwd").readlink())
            mine = str(self.place).encode() in words or f"FAULTS={self.mark}".encode() in environment
            if pid != os.getpid() and (mine or cwd.startswith(str(self.place))):
                shown = words.replace(b"\0", b" ").decode(errors="replace")
                found[pid] = shown[:200]
        return found

    def zombies(self) -> list[int]:
        """Ended processes that a process of the server has not waited for."""
        ours = set(self.processes())
        return [pid for pid in _pids() if is_zombie(pid) and _parent(pid) in ours]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """From the third field on: state, parent, ..."""
    return _read(pid, "stat").rpartition(b")")[2].decode().split()


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _open_files(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(path.readlink()))
    return found
