"""Container engines for tests: private storage, an image made here, and no way to a registry."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

_APPLETS = ("cat", "env", "false", "head", "id", "ls", "printf", "sh", "sleep", "tail", "touch", "true")
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
events_logger = "none"
"""


@pytest.fixture(scope="session")
def podman_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Environment variables with which podman works, and has the image `any`: busybox with an entrypoint
    that fails, and `/app/readme` in it.
    """
    missing = [name for name in ("podman", "runc", "busybox") if not shutil.which(name)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    root = tmp_path_factory.mktemp("podman")
    (root / "containers.conf").write_text(_CONTAINERS_CONF)
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
