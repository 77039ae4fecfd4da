"""Without a sandbox: the job's paths are rewritten, in its arguments and environment, to where its files are.

Every declared path, and every path beneath it, is rewritten wherever it stands at the boundaries of a path;
also inside the text of `sh -c`. So are the directories above a declared path that the host does not have.
Paths in the contents of files are not: `JOBYARD_VIEW` names the directory that stands for `/`, for programs
that want to find it out. A word that only looks like a declared path is rewritten too.
"""

import posixpath
import re
from collections.abc import Callable, Collection
from dataclasses import replace

from jobyard.domain.work import Command
from jobyard.executors.local.places import Places

_BEFORE = r"""(?:(?<![^\s"'`=:,;(<>|&{\[])|(?<=\s-[A-Za-z])|(?<=^-[A-Za-z]))"""
_AFTER = r"(?![\w.+~%@-])"


def mapped_paths(declared: Places, exists: Callable[[str], bool]) -> frozenset[str]:
    """What is rewritten: declared paths, and the highest directories above them that the host lacks."""
    paths = {*declared.directories, *declared.files}
    for path in tuple(paths):
        missing = [place for place in _ancestors(path) if not exists(place)]
        paths.update(missing[-1:])
    return frozenset(paths)


def rewriter(paths: Collection[str], view: str) -> Callable[[str], str]:
    """A function that puts `view` before each of the paths in a text."""
    alternatives = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
    pattern = re.compile(f"{_BEFORE}(?:{alternatives}){_AFTER}", re.MULTILINE)

    def rewrite(text: str) -> str:
        return pattern.sub(lambda match: view + match.group(), text)

    return rewrite


def rewritten(command: Command, rewrite: Callable[[str], str]) -> Command:
    """The command as it is to be run on the host."""
    return replace(
        command,
        argv=tuple(rewrite(word) for word in command.argv),
        env={key: rewrite(value) for key, value in (command.env or {}).items()},
        workdir=command.workdir and rewrite(command.workdir),
        stdin=command.stdin and rewrite(command.stdin),
        stdout=command.stdout and rewrite(command.stdout),
        stderr=command.stderr and rewrite(command.stderr),
    )


def _ancestors(path: str) -> list[str]:
    """Directories above, nearest first, without `/`."""
    found = []
    while (path := posixpath.dirname(path)) != "/":
        found.append(path)
    return found
