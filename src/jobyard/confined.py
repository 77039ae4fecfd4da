"""Reach files beneath a directory so that no `..`, no symbolic link and no device ever leads elsewhere.

The directory may be written by strangers at the same time: a name is opened component by component, relative
to descriptors that are already known to lie beneath it, and what was opened is looked at, not its name.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Self

_MAX_LINKS = 40  # as the kernel's own limit for one path
_MAX_DEPTH = 200  # descriptors held while one path is resolved


class OutsideError(PermissionError):
    """The path, or a link on it, leads outside."""


class NotRegularError(OSError):
    """It is there, and it is no regular file: a directory, device, pipe or socket."""


class Links(Enum):
    """What an absolute link means, where it does not point beneath the root by the root's own path."""

    REFUSE = auto()
    """It leads outside. So does a `..` above the root."""
    REROOT = auto()
    """The root is its `/`, as for a process that was confined to it; `..` above the root stays there."""


class Kind(Enum):
    FILE = auto()
    DIRECTORY = auto()
    OTHER = auto()
    """A device, pipe or socket; a link that is broken, leads outside or back to a directory above it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something below a directory; `name` is relative to it, with `/` between the parts."""

    name: str
    kind: Kind


class Confined:
    """A directory and what is beneath it. Paths are relative to it; a leading `/` means the directory itself.

    Methods raise `OSError` as the calls of the system do, and `OutsideError`. Returned descriptors are the
    caller's to close.
    """

    def __init__(self, root: Path, *, links: Links) -> None:
        self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._links = links
        self._own = tuple({tuple(_parts(os.fspath(root))), tuple(_parts(os.path.realpath(root)))})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def open_file(self, path: str) -> int:
        """A regular file, for reading. Raises `NotRegularError` without having opened anything else."""
        fd = self._resolve(path)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", path)
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(fd)

    def open_directory(self, path: str) -> int:
        fd = self._resolve(path)
        try:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)

    def make_directory(self, path: str) -> int:
        """The directory, made with its parents where missing."""
        fd = self._resolve(path, make=True)
        try:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)

    def create_file(self, path: str) -> int:
        """A new, empty file for writing, in place of one that is there; parents are made."""
        parent, name = os.path.split(path.rstrip("/"))
        fd = self.make_directory(parent)
        try:
            if name in {"", ".", ".."}:
                raise IsADirectoryError(errno.EISDIR, "is a directory", path)
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(name, flags, 0o666, dir_fd=fd)
        finally:
            os.close(fd)

    def kind(self, path: str) -> Kind | None:
        """What the path leads to; None if there is nothing, not even a link."""
        try:
            fd = self._resolve(path)
        except FileNotFoundError:
            return Kind.OTHER if self._is_link(path) else None
        except OSError:
            return Kind.OTHER
        try:
            return _kind_of(os.fstat(fd).st_mode)
        finally:
            os.close(fd)

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted."""
        fd = self.open_directory(path)
        try:
            with os.scandir(fd) as scan:
                return sorted(entry.name for entry in scan)
        finally:
            os.close(fd)

    def walk(self, path: str) -> Iterator[Entry]:
        """Everything below a directory, parents first, in the order of names. Links are followed."""
        todo: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
        while todo:
            name, above = todo.pop()
            here = self._identity(f"{path}/{name}")
            if here in above:
                yield Entry(name, Kind.OTHER)
                continue
            if name:
                yield Entry(name, Kind.DIRECTORY)
            inner = []
            for child in self.names(f"{path}/{name}"):
                below = f"{name}/{child}" if name else child
                kind = self.kind(f"{path}/{below}")
                if kind is Kind.DIRECTORY:
                    inner.append((below, above | {here}))
                elif kind is not None:
                    yield Entry(below, kind)
            todo.extend(reversed(inner))

    def _identity(self, path: str) -> tuple[int, int]:
        fd = self._resolve(path)
        try:
            status = os.fstat(fd)
            return status.st_dev, status.st_ino
        finally:
            os.close(fd)

    def _is_link(self, path: str) -> bool:
        parent, name = os.path.split(path.rstrip("/"))
        try:
            fd = self._resolve(parent)
        except OSError:
            return False
        try:
            return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
        except OSError:
            return False
        finally:
            os.close(fd)

    def _resolve(self, path: str, *, make: bool = False) -> int:
        """A descriptor (O_PATH) of what the path leads to."""
        opened = [os.dup(self._fd)]
        try:
            todo = deque(_parts(path))
            links = 0
            while todo:
                part = todo.popleft()
                if part == "..":
                    self._up(opened, path)
                    continue
                opened.append(_step(opened[-1], part, make=make))
                mode = os.fstat(opened[-1]).st_mode
                if stat.S_ISLNK(mode):
                    links += 1
                    todo.extendleft(reversed(self._follow(opened, path)))
                elif todo and not stat.S_ISDIR(mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
                if links > _MAX_LINKS or len(opened) > _MAX_DEPTH:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            return opened.pop()
        finally:
            for fd in opened:
                os.close(fd)

    def _up(self, opened: list[int], path: str) -> None:
        if len(opened) > 1:
            os.close(opened.pop())
        elif self._links is Links.REFUSE:
            raise OutsideError(errno.EACCES, "leads outside", path)

    def _follow(self, opened: list[int], path: str) -> list[str]:
        """Take the link off the stack, and all but the root if it is absolute; return what it stands for."""
        link = opened.pop()
        try:
            target = os.readlink("", dir_fd=link)
        finally:
            os.close(link)
        parts = _parts(target)
        if not target.startswith("/"):
            return parts
        for own in self._own:
            if tuple(parts[: len(own)]) == own:
                parts = parts[len(own) :]
                break
        else:
            if self._links is Links.REFUSE:
                raise OutsideError(errno.EACCES, "leads outside", path)
        while len(opened) > 1:
            os.close(opened.pop())
        return parts


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _step(parent: int, name: str, *, make: bool) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    return os.open(name, flags, dir_fd=parent)


def _kind_of(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.OTHER
