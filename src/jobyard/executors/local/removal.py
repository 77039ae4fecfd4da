"""Remove a tree whatever a job left in it: directories without permissions, or thousands of levels deep."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from secrets import token_hex

_OWNER = 0o700
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path) -> None:
    """Silent when it is gone. No link is followed. Raises `OSError`."""
    with suppress(FileNotFoundError):
        root = os.open(path, _DIRECTORY)
        try:
            _empty(root)
        finally:
            os.close(root)
        path.rmdir()


def remove_if_small(path: Path, *inner: str) -> bool:
    """Remove a directory that has no others in it than `inner`, named children first.

    False, and perhaps half done, if it has: then it may be more than a matter of microseconds.
    """
    try:
        for name in (*inner, ""):
            _remove_flat(path / name)
    except OSError:
        return not path.exists()
    return True


def _remove_flat(path: Path) -> None:
    with suppress(FileNotFoundError):
        with os.scandir(path) as entries:
            for entry in entries:
                os.unlink(entry)  # noqa: PTH108 - the entry is at hand, a Path is not
        path.rmdir()


def _empty(root: int) -> None:
    """Directories are moved up into the root before they are emptied, so that depth costs nothing."""
    run = token_hex(8)  # apart from what an interrupted removal left
    free = (f".{run}-{number}" for number in count())
    todo = _unlink_files(root, root, free)
    while todo:
        name = todo.pop()
        fd = os.open(name, _DIRECTORY, dir_fd=root)
        try:
            todo += _unlink_files(fd, root, free)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=root)


def _unlink_files(fd: int, root: int, free: Iterator[str]) -> list[str]:
    """Leave nothing in the directory. Returns the new names of those that were in it."""
    moved = []
    os.fchmod(fd, _OWNER)
    with os.scandir(fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, directory in names:
        if directory:
            os.chmod(name, _OWNER, dir_fd=fd)
            new = next(free)
            os.rename(name, new, src_dir_fd=fd, dst_dir_fd=root)
            moved.append(new)
        else:
            os.unlink(name, dir_fd=fd)
    return moved
