"""Under bubblewrap: the job sees its files at their own paths, and the host's around them for reading.

* `/` is new for each command, unless a file directly beneath it is declared: then it is the job's view.
* A declared directory is the job's own and hides what the host has there.
* The directory of a declared file is the job's own too, with the host's files bound beside the declared one;
  so is every directory on the way to a declared path.
* `/tmp` is the job's own; `/dev` and `/proc` are new; the server's data directory is empty.
* Processes see each other within one command only, and end with it. The network is the host's.
"""

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from jobyard.executors.local.places import Places

MAX_BESIDE = 300
"""Host files bound beside a declared one; where there are more, none are."""

_NEW = frozenset({"/dev", "/proc"})

CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
"""What is left to a job of a server that runs as root."""


class Host(Protocol):
    def names(self, path: str) -> Sequence[str]:
        """Names in a directory, sorted; none where there is no directory or it may not be read."""
        ...

    def link(self, path: str) -> str | None:
        """What a symbolic link says; None for anything else."""
        ...


class _Kind(Enum):
    MERGED = auto()
    OWN = auto()


@dataclass(slots=True)
class _Node:
    kind: _Kind = _Kind.MERGED
    children: dict[str, "_Node"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How to lay the host's files into the view."""

    tops: tuple[str, ...]
    """Directories beneath `/` that come from the view; none where `/` itself does."""
    binds: tuple[str, ...]
    """Host paths, to be bound at the same paths, for reading."""
    links: Mapping[str, str]
    """Links to make in the view: path to target."""
    symlinks: Mapping[str, str]
    """Links to make in a `/` that is not the view."""
    masks: tuple[str, ...]
    """Paths to be covered by nothing."""
    crowded: tuple[str, ...]
    """Directories whose other files are hidden, since there are too many."""


def plan(declared: Places, host: Host, *, data: str) -> View:
    """Pure but for `host`. `data` is the server's own directory, as a path without links."""
    root = _tree(declared)
    binds: list[str] = []
    links: dict[str, str] = {}
    crowded: list[str] = []
    for path, node in _merged(root, "", data):
        names = [name for name in host.names(path or "/") if name not in node.children]
        names = [name for name in names if f"{path}/{name}" not in _NEW]
        if len(names) > MAX_BESIDE:
            crowded.append(path)
            continue
        for name in names:
            target = host.link(f"{path}/{name}")
            if target is None:
                binds.append(f"{path}/{name}")
            else:
                links[f"{path}/{name}"] = target
    rooted = "/" in {posixpath.dirname(path) for path in declared.files}
    return View(
        tops=() if rooted else tuple(f"/{name}" for name in sorted(root.children)),
        binds=tuple(binds),
        links={path: target for path, target in links.items() if rooted or path.count("/") > 1},
        symlinks={path: target for path, target in links.items() if not rooted and path.count("/") == 1},
        masks=(data,) if _shows(root, data) else (),
        crowded=tuple(crowded),
    )


def options(view: View, directory: str, env: Mapping[str, str], *, capable: bool) -> list[str]:
    """The arguments of bwrap(1) before the program. `capable`: the server runs as root."""
    words = [] if view.tops else ["--bind", directory, "/"]
    for path in view.tops:
        words += ["--bind", directory + path, path]
    for path, target in view.symlinks.items():
        words += ["--symlink", target, path]
    words += ["--dev", "/dev", "--proc", "/proc"]
    for path in view.binds:
        words += ["--ro-bind-try", path, path]
    for path in view.masks:
        words += ["--tmpfs", path]
    words += ["--chdir", "/", "--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    if capable:
        words += ["--cap-drop", "ALL"]
        for capability in CAPABILITIES:
            words += ["--cap-add", f"CAP_{capability}"]
    for key, value in env.items():
        words += ["--setenv", key, value]
    return words


class ThisHost:
    """`Host` for the machine that we are on."""

    def names(self, path: str) -> Sequence[str]:
        try:
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in entries)
        except OSError:
            return ()

    def link(self, path: str) -> str | None:
        try:
            return os.fspath(Path(path).readlink())
        except OSError:
            return None


def _tree(declared: Places) -> _Node:
    root = _Node()
    for path in declared.directories:
        _add(root, path).kind = _Kind.OWN
    for path in declared.files:
        _add(root, path).kind = _Kind.OWN
    return root


def _add(root: _Node, path: str) -> _Node:
    node = root
    for part in _parts(path):
        node = node.children.setdefault(part, _Node())
    return node


def _merged(node: _Node, path: str, data: str) -> Iterator[tuple[str, _Node]]:
    """Directories of the view that the host's files are laid into."""
    if node.kind is _Kind.OWN or path == data:
        return
    yield path, node
    for name, child in sorted(node.children.items()):
        yield from _merged(child, f"{path}/{name}", data)


def _shows(root: _Node, path: str) -> bool:
    """Whether the host's directory at `path` would be seen."""
    node: _Node | None = root
    for part in _parts(path):
        node = node.children.get(part) if node else None
        if node is None:
            return True
        if node.kind is _Kind.OWN:
            return False
    return False


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]
