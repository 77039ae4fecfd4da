"""Rules for paths and URLs in a task. Each answers what is wrong, or None (contract 7.3)."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobyard.domain.errors import Problem
from jobyard.domain.files import FileType, Input, Output

MAX_PATH = 4096
MAX_URL = 8192

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):.")
_RESERVED = re.compile(r"/(proc|sys|dev)(/|$)")
_WILDCARD = re.compile(r"[*?\[]")
_WEB = frozenset({"http", "https"})

_NOT_ABSOLUTE = "must be an absolute path"


def normal(path: str) -> str:
    """An absolute path in one spelling."""
    return "/" + posixpath.normpath(path).lstrip("/")


def path_fault(path: str) -> str | None:
    """Of any path in the job's own view."""
    if not path.startswith("/"):
        return _NOT_ABSOLUTE
    if "/.." in path and ".." in path.split("/"):
        return f"{_NOT_ABSOLUTE} without .."
    if "\0" in path:
        return f"{_NOT_ABSOLUTE} without NUL"
    if len(path) > MAX_PATH:
        return f"is longer than {MAX_PATH} characters"
    return None


def place_fault(path: str) -> str | None:
    """Of a path where the service puts or takes files: also neither the root nor the kernel's own."""
    fault = path_fault(path)
    if fault:
        return fault
    path = normal(path)
    if path == "/":
        return f"{_NOT_ABSOLUTE} below /"
    if _RESERVED.match(path):
        return "is below /proc, /sys or /dev, which are reserved"
    return None


def scheme_of(url: str) -> str | None:
    """In lower case. A bare absolute path is a file; None is no scheme at all."""
    if url.startswith("/"):
        return "file"
    found = _SCHEME.match(url)
    return found[1].lower() if found else None


def url_fault(url: str, *, supported: frozenset[str] | None) -> str | None:
    if len(url) > MAX_URL:
        return f"is longer than {MAX_URL} characters"
    if CONTROL.search(url):
        return "must not contain control characters"
    scheme = scheme_of(url)
    if scheme is None:
        return "must be a URL with a scheme, or an absolute path"
    if supported is not None and scheme not in supported:
        return f"storage {scheme}: is not supported here"
    return None


def target_fault(url: str, *, supported: frozenset[str] | None) -> str | None:
    """Of an output's URL, which names one place."""
    fault = url_fault(url, supported=supported)
    if fault:
        return fault
    place = url.partition("://")[2] or url
    if scheme_of(url) in _WEB:  # brackets are around IPv6 addresses, a question mark is before a query
        place = place.partition("?")[0].partition("/")[2]
    return "must not contain wildcards" if _WILDCARD.search(place) else None


def prefix_fault(output: Output) -> str | None:
    """Of `path_prefix`, which only counts with wildcards (contract 1.7)."""
    if not output.wildcard:
        return None
    prefix = output.path_prefix
    if not prefix:
        return "is required when path has wildcards"
    fault = path_fault(prefix)
    if fault:
        return fault
    if _WILDCARD.search(prefix) or not output.path.startswith(f"{prefix.rstrip('/')}/"):
        return "must be a leading directory of path, without wildcards"
    return None


class _Place(NamedTuple):
    path: str
    """In one spelling and with a slash at the end, so that what lies below sorts right behind it."""
    shared: bool
    """False for an input file: nothing else may be there or below. It sorts before all else at its path."""
    loc: str


def conflicts(
    inputs: Sequence[Input], outputs: Sequence[Output], volumes: Sequence[str]
) -> Iterator[Problem]:
    """Two inputs at one path, and whatever lies below a path that is a file."""
    first: dict[str, str] = {}
    places: list[_Place] = []
    for index, item in enumerate(inputs):
        path, loc = normal(item.path), f"inputs[{index}].path"
        if first.setdefault(path, loc) is loc:
            places.append(_Place(f"{path}/", item.type is not FileType.FILE, loc))
        else:
            yield Problem(loc, f"duplicate container path: {first[path]} is the same")
    places += (
        _Place(f"{normal(item.path)}/", True, f"outputs[{index}].path") for index, item in enumerate(outputs)
    )
    places += (_Place(f"{normal(path)}/", True, f"volumes[{index}]") for index, path in enumerate(volumes))
    file: _Place | None = None
    for place in sorted(places):
        if file and place.path.startswith(file.path):
            same = place.path == file.path
            if not same or place.loc.startswith("volumes"):
                yield Problem(place.loc, f"duplicate container path: {file.loc} is a file there")
        elif not place.shared:
            file = place
