"""Which files of a job's view are its outputs, and where each goes (contract tes 1.7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jobyard.confined import Confined, Kind
from jobyard.domain.files import FileType, Output
from jobyard.staging.urls import child, printable
from jobyard.staging.wildcard import expand


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    path: str
    url: str


@dataclass(slots=True)
class Found:
    uploads: list[Upload] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Outputs that are not there, or not as they were declared: a reason for each."""


def find_outputs(root: Confined, outputs: Sequence[Output]) -> Found:
    """Look at the view; open nothing in it."""
    found = Found()
    for output in outputs:
        if output.wildcard and output.path_prefix is not None:
            _find_matches(root, output, output.path_prefix.rstrip("/"), found)
        else:
            _find_declared(root, output, found)
    return found


def _find_declared(root: Confined, output: Output, found: Found) -> None:
    kind = root.kind(output.path)
    if kind is None:
        found.missing.append(f"{output.path}: the commands made no such output")
    elif kind is Kind.OTHER or (kind is Kind.FILE) != (output.type is FileType.FILE):
        found.missing.append(f"{output.path}: the output is no {output.type}")
    else:
        _add(root, output.path, output.url, kind, found)


def _find_matches(root: Confined, output: Output, prefix: str, found: Found) -> None:
    """A pattern that matches nothing stands for itself, as in a shell."""
    paths = expand(output.path, lambda path: _names(root, path)) or [output.path]
    before = len(found.uploads), len(found.warnings)
    for path in paths:
        kind = root.kind(path)
        name = path.removeprefix(prefix).lstrip("/")
        if kind is Kind.OTHER:
            found.warnings.append(f"{printable(path)}: left out, since it is neither file nor directory")
        elif kind is not None:
            _add(root, path, child(output.url, name), kind, found)
    if before == (len(found.uploads), len(found.warnings)):
        found.warnings.append(f"{output.path}: matches nothing")


def _add(root: Confined, path: str, url: str, kind: Kind, found: Found) -> None:
    if kind is Kind.FILE:
        found.uploads.append(Upload(path=path, url=url))
        return
    before = len(found.uploads)
    for name in _files_below(root, path, found):
        found.uploads.append(Upload(path=f"{path.rstrip('/')}/{name}", url=child(url, name)))
    if before == len(found.uploads):
        found.warnings.append(f"{printable(path)}: the directory is empty")


def _files_below(root: Confined, path: str, found: Found) -> Iterator[str]:
    try:
        for entry in root.walk(path):
            if entry.kind is Kind.FILE:
                yield entry.name
            elif entry.kind is Kind.OTHER:
                name = printable(f"{path}/{entry.name}")
                found.warnings.append(f"{name}: left out, since it is neither file nor directory")
    except OSError as error:
        found.missing.append(f"{printable(path)}: cannot be read: {error.strerror}")


def _names(root: Confined, path: str) -> Sequence[str]:
    try:
        return root.names(path)
    except OSError:
        return ()
