"""Which paths a job has declared, and of what kind: the job's own files, wherever the host has others."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from jobyard.domain.files import FileType, Input, Output
from jobyard.domain.work import Command, Work

TMP = "/tmp"  # noqa: S108 - the job's own, never the host's


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Absolute paths in the job's view, without trailing `/`."""

    directories: frozenset[str]
    """They hide what the host has there."""
    files: frozenset[str]
    """The host's files beside them stay visible."""
    workdirs: frozenset[str]
    """Made when neither the job nor the host has them."""

    @property
    def made(self) -> frozenset[str]:
        """Directories that must be there before the first command."""
        return self.directories | {posixpath.dirname(path) for path in self.files}

    def settled(self, exists: Callable[[str], bool]) -> "Places":
        """With the working directories that the host does not have among the job's own directories."""
        missing = {path for path in self.workdirs if not exists(path)}
        return replace(self, directories=self.directories | missing, workdirs=self.workdirs - missing)


def places(work: Work) -> Places:
    """What the work declares, with `/tmp`."""
    directories = {TMP, *map(clean, work.volumes)}
    files: set[str] = set()
    items: tuple[Input | Output, ...] = (*work.inputs, *work.outputs)
    for item in items:
        (directories if _is_directory(item) else files).add(_directory_of(item))
    for command in work.commands:
        files.update(clean(path) for path in _streams(command))
    workdirs = {clean(command.workdir) for command in work.commands if command.workdir}
    return Places(
        directories=frozenset(directories),
        files=frozenset(files - directories),
        workdirs=frozenset(workdirs - directories),
    )


def _streams(command: Command) -> Iterator[str]:
    return (path for path in (command.stdin, command.stdout, command.stderr) if path)


def _is_directory(item: Input | Output) -> bool:
    return item.type is FileType.DIRECTORY or _expands(item)


def _expands(item: Input | Output) -> bool:
    return isinstance(item, Output) and item.wildcard and item.path_prefix is not None


def _directory_of(item: Input | Output) -> str:
    """The path; for one with wildcards, the directory above the first of them, if that is not `/`."""
    path = clean(item.path)
    if not _expands(item):
        return path
    fixed = list(takewhile(lambda part: not set("*?[") & set(part), path.split("/")[:-1]))
    return "/".join(fixed) or path


def clean(path: str) -> str:
    """The same path, written shortest."""
    return "/" + posixpath.normpath(path).strip("/")
