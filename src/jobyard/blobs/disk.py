"""Files of this host, beneath configured directories: `file:///path` (percent-encoded), or a bare `/path`."""

import asyncio
import errno
import fcntl
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TypeVar
from urllib.parse import unquote

from typing_extensions import override

from jobyard.blobs.base import Sink, Source
from jobyard.confined import Confined, Kind, Links, OutsideError
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, masked

_T = TypeVar("_T")

_CHUNK = 1024**2  # bytes
_FICLONE = 0x40049409
"""ioctl: let a file share the blocks of another until one of them is written to."""

_MAY_PASS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE})

_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})

_TYPES = {Kind.FILE: FileType.FILE, Kind.DIRECTORY: FileType.DIRECTORY, Kind.OTHER: None}


class Disk(Source, Sink):
    """Reads and writes beneath `roots`. Links are followed as long as they stay beneath the same root."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = sorted((root.absolute() for root in roots), key=lambda root: -len(root.parts))
        self.prefixes = tuple(f"{root.as_uri().rstrip('/')}/" for root in roots)

    @override
    def check(self, url: str, type: FileType) -> None:
        self._locate(url)

    @override
    def check_write(self, url: str) -> None:
        self._locate(url)

    @override
    async def fetch(self, url: str, to: int) -> None:
        def work(stop: threading.Event) -> None:
            with self._at(url) as (root, path):
                source = root.open_file(path)
                try:
                    _copy(source, to, stop)
                    os.fchmod(to, 0o644 | os.fstat(source).st_mode & 0o111)
                finally:
                    os.close(source)

        await _in_thread(work)

    @override
    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]:
        def work(stop: threading.Event) -> list[tuple[str, FileType | None]]:
            found = []
            with self._at(url) as (root, path):
                for entry in root.walk(path):
                    _unless(stop)
                    found.append((entry.name, _TYPES[entry.kind]))
            return found

        return await _in_thread(work)

    @override
    async def put(self, url: str, source: int) -> tuple[int, str]:
        def work(stop: threading.Event) -> tuple[int, str]:
            with self._at(url) as (root, path):
                parent, name = os.path.split(path.rstrip("/"))
                directory = _make_durable(root, parent)
                try:
                    return _replace(directory, name, source, stop)
                finally:
                    os.close(directory)

        return await _in_thread(work)

    def _locate(self, url: str) -> tuple[Path, str]:
        """The root, and the path beneath it."""
        path = _path_of(url)
        parts = Path(path).parts
        for root in self._roots:
            if parts[: len(root.parts)] == root.parts:
                return root, "/".join(parts[len(root.parts) :])
        raise _outside(url)

    @contextmanager
    def _at(self, url: str) -> Iterator[tuple[Confined, str]]:
        """The place of a URL; errors that happen there become `Failure`."""
        root, path = self._locate(url)
        try:
            with Confined(root, links=Links.REFUSE) as confined:
                yield confined, path
        except OutsideError as error:
            raise _outside(url) from error
        except OSError as error:
            raise Failure(f"{masked(url)}: {_reason(error)}", passing=error.errno in _MAY_PASS) from error


def _path_of(url: str) -> str:
    path = url
    if not url.startswith("/"):
        rest = url.partition(":")[2]
        if rest.startswith("//"):
            host, slash, rest = rest[2:].partition("/")
            if host not in {"", "localhost"}:
                raise Failure(f"{masked(url)}: a file URL with a host; write file:///path")
            rest = slash + rest
        path = os.fsdecode(unquote(rest, errors="surrogateescape"))
    if not path.startswith("/") or "\0" in path:
        raise Failure(f"{masked(url)}: not an absolute path")
    return path


def _outside(url: str) -> Failure:
    return Failure(
        f"{masked(url)}: not beneath a directory that file:// URLs may reach (`roots` in the section [files])"
    )


def _reason(error: OSError) -> str:
    """What went wrong, without the paths that the error names."""
    return str(error.args[1]) if len(error.args) > 1 else "cannot be used"


async def _in_thread(work: Callable[[threading.Event], _T]) -> _T:
    """Cancelled, it tells the work to stop, and waits until it has."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({task})
        task.exception()  # nobody asks any more
        raise


class _StoppedError(Exception):
    pass


def _unless(stop: threading.Event) -> None:
    if stop.is_set():
        raise _StoppedError


def _copy(source: int, to: int, stop: threading.Event) -> None:
    """Share the blocks where the file system can; else copy in the kernel; else by hand."""
    with suppress(OSError):
        fcntl.ioctl(to, _FICLONE, source)
        return
    offset = 0
    with suppress(OSError):
        while copied := os.copy_file_range(source, to, _CHUNK * 16, offset, offset):
            offset += copied
            _unless(stop)
    while data := os.pread(source, _CHUNK, offset):
        _unless(stop)
        offset += _write(to, data, offset)


def _write(to: int, data: bytes, offset: int) -> int:
    view = memoryview(data)
    while view:
        written = os.pwrite(to, view, offset)
        view, offset = view[written:], offset + written
    return len(data)


def _make_durable(root: Confined, path: str) -> int:
    """A directory, made with its parents; the names of new ones are flushed to the disk."""
    parts = [part for part in path.split("/") if part]
    there = len(parts)
    while there and root.kind("/".join(parts[:there])) is None:
        there -= 1
    for depth in range(there, len(parts)):
        above = root.make_directory("/".join(parts[:depth]))
        try:
            os.close(root.make_directory("/".join(parts[: depth + 1])))
            os.fsync(above)
        finally:
            os.close(above)
    return root.make_directory(path)


def _replace(directory: int, name: str, source: int, stop: threading.Event) -> tuple[int, str]:
    """Copy to a new file, flush, put it in the place of the old one."""
    if name in {"", ".", ".."} or _is_directory(directory, name):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    to, new = _open_new(directory, name, 0o666 | os.fstat(source).st_mode & 0o111)
    try:
        stored = _copy_hashing(source, to, stop)
        os.fsync(to)
        new = new or _named(directory, name, to)
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        if new:
            with suppress(OSError):
                os.unlink(new, dir_fd=directory)
        raise
    finally:
        os.close(to)
    os.fsync(directory)
    return stored


def _open_new(directory: int, name: str, mode: int) -> tuple[int, str | None]:
    """A descriptor, and the temporary name. None where the file system can do without one for now, so that
    nothing is left if this process is killed.
    """
    flags = os.O_WRONLY | os.O_CLOEXEC
    new: str | None = None
    try:
        to = os.open(".", flags | os.O_TMPFILE, mode, dir_fd=directory)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        create = flags | os.O_CREAT | os.O_EXCL
        new, to = _made(directory, name, lambda new: os.open(new, create, mode, dir_fd=directory))
    with suppress(OSError):  # where the file system has no locks, leftovers stay
        fcntl.flock(to, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return to, new


def _named(directory: int, name: str, to: int) -> str:
    """Give a file without a name a temporary one."""
    path = f"/proc/self/fd/{to}"
    return _made(directory, name, lambda new: os.link(path, new, dst_dir_fd=directory, follow_symlinks=True))[
        0
    ]


def temporary_name(name: str) -> str:
    """Always the same for a file, so that what a killed process has left of it is found by the next."""
    return f".jobyard-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def _made(directory: int, name: str, make: Callable[[str], _T]) -> tuple[str, _T]:
    """A temporary name for the file, and what `make` gives for it, which raises when the name is taken.

    Who makes such a file holds a lock on it: one that is not held was left behind, and goes.
    """
    new = temporary_name(name)
    with suppress(FileExistsError):
        return new, make(new)
    if _removed_left_behind(directory, new):
        with suppress(FileExistsError):
            return new, make(new)
    new = f"{new}-{token_hex(8)}"  # two at once write to the same file
    return new, make(new)


def _removed_left_behind(directory: int, new: str) -> bool:
    try:
        fd = os.open(new, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(new, dir_fd=directory, follow_symlinks=False)):
            os.unlink(new, dir_fd=directory)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _is_directory(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _copy_hashing(source: int, to: int, stop: threading.Event) -> tuple[int, str]:
    digest = hashlib.sha256()
    offset = 0
    while data := os.pread(source, _CHUNK, offset):
        _unless(stop)
        digest.update(data)
        offset += _write(to, data, offset)
    return offset, digest.hexdigest()
