"""What `doctor` looks at. Each check asks the machine one thing and says what it means for the service."""

import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from jobyard.domain.errors import JobyardError
from jobyard.settings import Settings, split_address

LOW_DISK, NO_DISK = 5 * 10**9, 2 * 10**8  # bytes
NETWORK_FILESYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"}
)
"""Where SQLite's write-ahead log must not be used from two machines at once."""
_PATIENCE = 10  # seconds for a program to answer


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works; something could be better."""
    FAIL = "fail"
    """`serve` could not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    level: Level
    subject: str
    message: str
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""


def findings(settings: Settings) -> Iterator[Finding]:
    """All of them, in an order in which they can be mended."""
    yield python()
    yield from data_directory(settings.server.data)
    yield database(settings)
    yield port(settings.server.listen)
    yield runtime(settings)
    if settings.local.runtime == "process":
        yield bubblewrap(settings)
    yield from file_roots(settings.files.roots)


def python() -> Finding:
    return Finding(
        level=Level.OK, subject="Python", message=f"{platform.python_version()} at {sys.executable}"
    )


def data_directory(data: Path) -> Iterator[Finding]:
    subject = "data directory"
    place = _existing(data.absolute())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            level=Level.FAIL,
            subject=subject,
            message=f"{place} is not a directory that this user can write to",
            advice="choose another with server.data, or change its owner",
        )
        return
    made = "" if place == data.absolute() else ", which will be made"
    yield Finding(level=Level.OK, subject=subject, message=f"{data.absolute()}{made}")
    yield _disk(place)
    yield _write_ahead_log(place, _filesystem(place, Path("/proc/self/mounts").read_text(encoding="utf-8")))


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _disk(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    level = Level.FAIL if free < NO_DISK else Level.WARN if free < LOW_DISK else Level.OK
    advice = "make room, or choose another disk with server.data" if level != Level.OK else ""
    return Finding(level=level, subject="disk", message=f"{free / 10**9:.1f} GB free", advice=advice)


def _filesystem(place: Path, mounts: str) -> str:
    """The type of the file system that the place is on, from the text of /proc/self/mounts."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        _, escaped, type_, *_ = line.split()
        point = escaped.replace("\\040", " ")
        if place.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind


def _write_ahead_log(place: Path, filesystem: str) -> Finding:
    """Tried, since the type of a file system does not tell everything."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".jobyard-doctor-", dir=place) as directory,
            closing(sqlite3.connect(Path(directory, "probe.db"))) as connection,
        ):
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            connection.execute("CREATE TABLE probe (id INTEGER)")
    except (OSError, sqlite3.Error) as error:
        mode = str(error)
    advice = "put server.data on a local disk"
    if mode != "wal":
        message = f"SQLite cannot keep its database on {filesystem} here ({mode})"
        return Finding(level=Level.FAIL, subject="file system", message=message, advice=advice)
    if filesystem in NETWORK_FILESYSTEMS or filesystem.startswith("fuse.sshfs"):
        message = f"{filesystem} comes over the network; never start two services on this directory"
        return Finding(level=Level.WARN, subject="file system", message=message, advice=advice)
    return Finding(level=Level.OK, subject="file system", message=f"{filesystem}, good for SQLite")


def database(settings: Settings) -> Finding:
    from jobyard.bootstrap import check_database, current_revision

    subject = "database"
    try:
        revision = current_revision(settings)
        if revision is None:
            return Finding(level=Level.OK, subject=subject, message="none yet; `jobyard serve` makes it")
        check_database(settings)
    except JobyardError as error:
        return Finding(level=Level.FAIL, subject=subject, message=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong here
        return Finding(
            level=Level.FAIL,
            subject=subject,
            message=f"cannot be read ({type(error).__name__}): {next(iter(str(error).splitlines()), '')}",
            advice="restore it from a backup, or choose another directory with server.data",
        )
    return Finding(level=Level.OK, subject=subject, message=f"schema {revision}, as this release needs it")


def port(listen: str) -> Finding:
    host, number = split_address(listen)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return Finding(
            level=Level.FAIL,
            subject="address",
            message=f"cannot listen on {listen}: {error.strerror}",
            advice="stop what listens there, unless it is this service; or choose another with server.listen",
        )
    return Finding(level=Level.OK, subject="address", message=f"{listen} is free")


def runtime(settings: Settings) -> Finding:
    from jobyard.bootstrap import container_engine

    subject = "jobs"
    if settings.local.runtime == "process":
        message = "run as processes of this user, without containers"
        return Finding(level=Level.OK, subject=subject, message=message)
    program, trouble = container_engine(settings)
    if program:
        return Finding(
            level=Level.OK, subject=subject, message=f"run in containers by {program}, which answers"
        )
    return Finding(
        level=Level.FAIL,
        subject=subject,
        message=f"cannot run: no container engine works here ({trouble})",
        advice='install podman or start docker, or set local.runtime = "process" if everybody who can submit '
        "jobs is trusted with this account",
    )


def bubblewrap(settings: Settings) -> Finding:
    subject = "bubblewrap"
    needed = settings.local.sandbox == "bubblewrap"
    level = Level.FAIL if needed else Level.OK if settings.local.sandbox == "none" else Level.WARN
    program = shutil.which("bwrap")
    if program is None:
        return Finding(
            level=level,
            subject=subject,
            message="not installed: paths in the commands of jobs are rewritten instead",
            advice="install the package bubblewrap, so that jobs see files at their own paths",
        )
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-ipc"]
    reason = _attempt([program, *options, "--die-with-parent", "true"])
    if reason:
        return Finding(
            level=level,
            subject=subject,
            message=f"installed and does not work: {reason}",
            advice="allow user namespaces (sysctl kernel.unprivileged_userns_clone or AppArmor), or set "
            'local.sandbox = "none"',
        )
    return Finding(level=Level.OK, subject=subject, message=f"{program} works")


def _attempt(argv: list[str]) -> str:
    """Why a program does not work; empty if it does."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def file_roots(roots: tuple[Path, ...]) -> Iterator[Finding]:
    if not roots:
        yield Finding(
            level=Level.WARN,
            subject="files",
            message="no directories for file:// URLs: jobs can neither read nor keep local files",
            advice="name some in files.roots",
        )
    for root in roots:
        if not root.is_dir():
            message, advice = f"{root} is no directory", "make it, or take it out of files.roots"
        elif not os.access(root, os.R_OK | os.X_OK):
            message, advice = f"{root} cannot be read by this user", "change its permissions"
        else:
            yield Finding(level=Level.OK, subject="files", message=f"{root} can be read")
            continue
        yield Finding(level=Level.WARN, subject="files", message=message, advice=advice)
