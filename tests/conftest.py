"""Services that several rooms are tested with: real ones, started once a session where they are needed.

SeaweedFS speaks S3. Container engines have private storage, an image made here, and no way to a registry.
"""

import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from botocore.client import BaseClient

_APPLETS = ("cat", "env", "false", "ln", "ls", "mv", "printf", "rm", "sh", "sleep", "tail", "touch", "true")
_DIRECTORIES = ("bin", "dev", "etc", "lib", "proc", "run", "sys", "tmp", "usr", "usr/bin", "usr/lib", "app")
_DEAD = "http://127.0.0.1:9"
"""A proxy that nobody is."""

_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{root}/tmp"
volume_path = "{root}/volumes"
"""


@pytest.fixture(scope="session")
def podman_host() -> Iterator[Mapping[str, str]]:
    """Environment variables with which podman works, and has the image `any`: busybox with an entrypoint
    that fails, and `/app/readme` in it.
    """
    missing = [name for name in ("podman", "runc", "busybox") if not shutil.which(name)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    root = Path(tempfile.mkdtemp(prefix="podman"))  # short: podman waits for ever where socket paths are long
    (root / "containers.conf").write_text(_CONTAINERS_CONF.format(root=root))
    (root / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{root}/graph"\nrunroot = "{root}/run"\n'
    )
    added = {
        "CONTAINERS_CONF": f"{root}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{root}/storage.conf",
        "HTTP_PROXY": _DEAD,
        "HTTPS_PROXY": _DEAD,
        "NO_PROXY": "",
    }
    environment = {**os.environ, **added}
    (root / "image.tar").write_bytes(_image())
    entrypoint = 'ENTRYPOINT ["/bin/false"]'
    _run(environment, "podman", "import", "--change", entrypoint, f"{root}/image.tar", "localhost/any:latest")
    yield added
    _run(environment, "podman", "rm", "--all", "--force", "--volumes", "--time", "0")
    _run(environment, "podman", "rmi", "--all", "--force")
    shutil.rmtree(root)


def _run(environment: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def _image() -> bytes:
    """A root file system, as tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path in _DIRECTORIES:
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        _add(tar, "bin/busybox", Path(shutil.which("busybox") or "").read_bytes(), 0o755)
        _add(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
        _add(tar, "app/readme", b"from the image\n", 0o644)
        for name in _APPLETS:
            for place in ("bin", "usr/bin"):
                member = tarfile.TarInfo(f"{place}/{name}")
                member.type, member.linkname = tarfile.SYMTYPE, "/bin/busybox"
                tar.addfile(member)
    return data.getvalue()


def _add(tar: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))


_WAIT = 60  # seconds
_KEYS = ("testkey", "testsecret-9f3")
_READER_KEYS = ("readerkey", "readersecret-9f3")
_GRPC = 10_000  # SeaweedFS also takes the port that is this much higher


@dataclass(frozen=True)
class Bucket:
    """A bucket in a real S3 service; other keys may only read it."""

    url: str
    """Of the endpoint."""
    client: "BaseClient"
    name: str = "jobs"
    keys: tuple[str, str] = _KEYS
    reader_keys: tuple[str, str] = _READER_KEYS

    def put(self, key: str, data: bytes = b"") -> str:
        """An object, and its URL."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)
        return f"s3://{self.name}/{key}"

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def keys_below(self, prefix: str) -> list[str]:
        answer = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", ())]


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """SeaweedFS on free ports of loopback. Where it is missing, CI fails and a laptop skips."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        if os.environ.get("CI"):
            pytest.fail("SeaweedFS is missing: make setup")
        pytest.skip("SeaweedFS is missing: make setup")
    import boto3
    from botocore.config import Config

    directory = tmp_path_factory.mktemp("objects")
    ports = _free_ports(5)
    with ExitStack() as stack:
        process = _start_weed(weed, directory, ports)
        stack.callback(process.wait)
        stack.callback(os.killpg, process.pid, signal.SIGKILL)
        url = f"http://127.0.0.1:{ports[0]}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        stack.callback(client.close)
        _await_port(ports[0], process, directory / "log")
        _create_bucket(client, "jobs")
        yield Bucket(url=url, client=client)


def _start_weed(weed: str, directory: Path, ports: list[int]) -> "subprocess.Popen[bytes]":
    identities = [
        {"name": "all", "credentials": [_key(*_KEYS)], "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "credentials": [_key(*_READER_KEYS)], "actions": ["Read:jobs", "List:jobs"]},
    ]
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": identities}))
    names = ("s3.port", "master.port", "filer.port", "volume.port", "admin.port")
    argv = [weed, "-logtostderr=true", "mini", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    argv += ["-master.telemetry=false", "-s3.port.iceberg=0", "-webdav=false", "-admin.ui=false"]
    argv += [f"-s3.config={config}", *(f"-{name}={port}" for name, port in zip(names, ports, strict=True))]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, start_new_session=True
        )


def _key(access: str, secret: str) -> dict[str, str]:
    return {"accessKey": access, "secretKey": secret}


def _free_ports(count: int) -> list[int]:
    """Ports that are free together with those that SeaweedFS takes beside them."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            port = random.randrange(11_000, 22_000)
            try:
                for taken in (port, port + _GRPC):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", taken))
            except OSError:
                continue
            found.append(port)
    return found


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)  # it tells nobody when it is ready
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


def _create_bucket(client: "BaseClient", name: str) -> None:
    """The port is open a little before the storage behind it is."""
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + _WAIT
    while True:
        try:
            client.create_bucket(Bucket=name)
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
