"""One served instance to measure: started, looked at from outside, always stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_READY_SECONDS = 60
_STOP_SECONDS = 40  # more than the server gives its own processes


class InstanceError(Exception):
    """The server did not do its part; the end of its log is in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    url: str
    pid: int
    seconds_to_ready: float
    """From starting the command to its word that it listens."""

    def pss_mb(self) -> float:
        """Memory of all its processes, shared pages counted once, in MB (10^6 bytes)."""
        return sum(_pss_kib(pid) for pid in _family(self.pid)) * 1024 / 1e6


@contextmanager
def serving(
    data: Path, *, role: str = "all", settings: Mapping[str, str] | None = None
) -> Iterator[Instance]:
    """`settings` are environment variables without the `JOBYARD_`. Raises `InstanceError`."""
    data.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    own = {
        "LOCAL__RUNTIME": "process",
        "LOG__LEVEL": "warning",
        "LOG__FORMAT": "console",
        "TES__EXPOSE_TES11_STATES": "true",  # CANCELED then means that it has ended
    } | dict(settings or {})
    environment |= {f"JOBYARD_{name}": value for name, value in own.items()}
    out, log = data / "bench.out", data / "bench.log"
    jobyard = Path(sys.executable).with_name("jobyard")
    with out.open("wb") as stdout, log.open("wb") as stderr:
        began = time.monotonic()
        server = subprocess.Popen(
            [jobyard, "serve", "--listen", "127.0.0.1:0", "--data", data, "--role", role],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=data,
            env=environment,
            start_new_session=True,
        )
    try:
        url = _wait_until_ready(server, out, log)
        yield Instance(url=url, pid=server.pid, seconds_to_ready=time.monotonic() - began)
        if server.poll() is not None:
            raise InstanceError(f"the server ended while it was measured\n{_tail(log)}")
    finally:
        _stop(server)


def _wait_until_ready(server: subprocess.Popen[bytes], out: Path, log: Path) -> str:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for line in out.read_text().splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ").strip().rstrip("/")
        time.sleep(0.005)
    raise InstanceError(f"the server did not become ready\n{_tail(log)}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        server.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _family(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _pss_kib(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
