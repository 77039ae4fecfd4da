"""Keys of objects, and the directories that people see in them. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence

from jobyard.domain.files import FileType

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def key_fault(key: str) -> str | None:
    """Why a key cannot be used: it would not be a path. An empty one is the whole bucket."""
    if key and any(part in {"", ".", ".."} for part in key.split("/")):
        return "a key with an empty part, `.` or `..` cannot be used"
    if _CONTROL.search(key):
        return "a key with control characters cannot be used"
    return None


def entries(sizes: Mapping[str, int], markers: Collection[str]) -> Sequence[tuple[str, FileType]]:
    """The directories and files that keys stand for, parents first. `sizes` are in bytes, by key relative to
    the directory; `markers` are those of the keys that only say that a directory is there.

    Raises `ValueError` with the name that would be file and directory at once.
    """
    directories = {parent for name in sizes for parent in _parents(name)} | set(markers)
    files = sizes.keys() - markers
    for name in sorted(files & directories):
        if sizes[name]:
            raise ValueError(name)
    types = dict.fromkeys(files, FileType.FILE) | dict.fromkeys(directories, FileType.DIRECTORY)
    return sorted(types.items())


def _parents(name: str) -> Sequence[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
