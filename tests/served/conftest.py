"""A served instance, started as a user starts it, and a gate that tasks report to and wait at."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

TERMINAL = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}
DEADLINE = 60  # seconds

VISIT = """
import sys, time, urllib.request
url = sys.argv[1]
urllib.request.urlopen(url + "/arrive").read()
while urllib.request.urlopen(url + "/may-go").read() != b"yes":
    time.sleep(0.02)
"""
"""What a task runs that is to be caught in the middle."""


@dataclass
class Gate:
    """Tasks say here that they run, and go on when the test lets them."""

    url: str
    arrivals: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    open: threading.Event = field(default_factory=threading.Event)
    count: int = 0

    @property
    def command(self) -> list[str]:
        # Not the one of this environment: a job does not see it, if it lies under /tmp.
        return [os.path.realpath(sys.executable), "-c", VISIT, self.url]

    def wait_for_arrival(self) -> None:
        self.arrivals.get(timeout=DEADLINE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/arrive":
                gate.count += 1
                gate.arrivals.put(self.path)
            answer = b"yes" if gate.open.is_set() else b"no"
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gate = Gate(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield gate
        server.shutdown()
        thread.join()


@dataclass
class Instance:
    """`jobyard serve` on a free port, with a data directory and a file root that outlive it."""

    data: Path
    root: Path
    environment: dict[str, str]
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def start(self, *roles: str) -> None:
        argv = [sys.executable, "-m", "jobyard", "serve", "--listen", "127.0.0.1:0", "--data", str(self.data)]
        for role in roles:
            argv += ["--role", role]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                argv,
                env=os.environ | self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), self.log.read_text()
        self.url = line.removeprefix("listening on ").strip()

    @property
    def log(self) -> Path:
        return self.data.parent / "serve.log"

    @property
    def tes(self) -> str:
        return f"{self.url}/ga4gh/tes/v1"

    def stop(self) -> int:
        """With TERM, as a service manager does."""
        assert self.process is not None
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        """Every process of the instance at once, as a power cut would; jobs have sessions of their own."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(timeout=DEADLINE)
        self.process.stdout.close()
        self.process = None
        return code

    def create(self, **task: object) -> str:
        answer = httpx.post(f"{self.tes}/tasks", json=task)
        assert answer.status_code == 200, answer.text
        created: str = answer.json()["id"]
        return created

    def get(self, id: str, view: str = "FULL") -> dict:
        answer = httpx.get(f"{self.tes}/tasks/{id}", params={"view": view})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, id: str) -> dict:
        """The task in FULL once it has ended."""
        return self.until(id, lambda task: task["state"] in TERMINAL)

    def until(self, id: str, holds: Callable[[dict], bool]) -> dict:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            task = self.get(id)
            if holds(task):
                return task
            time.sleep(0.02)  # the protocol offers nothing but polling
        raise AssertionError(f"{json.dumps(task, indent=2)}\n{self.log.read_text()[-4000:]}")

    def file(self, name: str, content: bytes | str = b"") -> str:
        """A file beneath the root, and its URL."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path.as_uri()

    def url_of(self, name: str) -> str:
        return (self.root / name).as_uri()


def sandboxes() -> list[str]:
    """Both ways to show a job its files. A machine without bubblewrap is for laptops, not for CI."""
    if shutil.which("bwrap") or os.environ.get("CI"):
        return ["bubblewrap", "none"]
    return ["none"]


def _instance(directory: Path, **environment: str) -> Instance:
    data, root = directory / "data", directory / "root"
    root.mkdir()
    return Instance(
        data=data,
        root=root,
        environment={
            "JOBYARD_LOCAL__RUNTIME": "process",
            "JOBYARD_LOCAL__CORES": "4",
            "JOBYARD_FILES__ROOTS": json.dumps([str(root)]),
            "JOBYARD_FILES__HTTP_PRIVATE": "true",
            "JOBYARD_LOCAL__KILL_GRACE": "1",
            "JOBYARD_LOG__FORMAT": "json",
            **environment,
        },
    )


@pytest.fixture
def make_instance() -> Iterator[Callable[..., Instance]]:
    """Makes instances that are not started yet; keyword arguments are environment variables."""
    made: list[Instance] = []
    with tempfile.TemporaryDirectory(prefix="jobyard-", dir="/var/tmp") as directory:

        def make(**environment: str) -> Instance:
            place = Path(directory) / str(len(made))
            place.mkdir()
            instance = _instance(place, **environment)
            made.append(instance)
            return instance

        yield make
        for instance in made:
            if instance.process is not None:
                instance.stop()


@pytest.fixture(scope="module", params=sandboxes())
def instance(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """One that is up, shared by the tests of a module."""
    with tempfile.TemporaryDirectory(prefix="jobyard-", dir="/var/tmp") as directory:
        instance = _instance(Path(directory), JOBYARD_LOCAL__SANDBOX=request.param)
        instance.start()
        yield instance
        assert instance.stop() == 0


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=instance.tes) as client:
        yield client
