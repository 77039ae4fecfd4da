"""The shell script that runs an attempt's commands, as text. Pure: no shell ever parses a word of a job.

The script's directory is the attempt's. It leaves these marks there, whose times of change are the times of
what they say:

* `pid` - the first to make it runs the commands, so that starting twice starts once;
* `N.start`, `N.exit` - command N has begun; has ended with the exit code in it (a complete line or nothing);
* `N.stdout`, `N.stderr` - its streams, or the tail of them where they go to files of the job.

It makes one new process for each command, and begins none once `canceled`, `timed-out` or `broken` is there.
In containers there may be `N.oom` (command N ended for want of memory) and `broken` (the engine could not run
a command).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from jobyard.domain.work import Command

BELL = ".bell"
"""A pipe beside the attempts' directories. A line with an attempt's key says that it has news."""

BROKEN = "broken"
"""A mark: what runs commands has failed, and not the command."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = frozenset(
    {"BASHOPTS", "BASH_ENV", "BASH_VERSINFO", "ENV", "EUID", "GROUPS", "IFS", "LINENO", "OLDPWD", "OPTIND"}
    | {"PPID", "PS4", "PWD", "SHELLOPTS", "UID", "_"}
)
"""Names that mean something to a shell: given to the program by env(1), never set in the script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How one command is run."""

    text: str
    """Run in a subshell; it ends as the command does."""
    ignore_error: bool


def script(key: str, steps: Sequence[Step]) -> str:
    """The whole script, to be read by a POSIX shell."""
    ring = f"echo {quote(key)} 1<>../{BELL}\n"
    lines = ["set -C\necho $$ > pid || exit 75\nset +C\n"]
    for number, step in enumerate(steps, start=1):
        lines.append(
            "[ -e canceled ] || [ -e timed-out ] || [ -e broken ] && exit 0\n"
            f": > {number}.start\n{ring}"
            f"(\n{step.text}\n) </dev/null >{number}.stdout 2>{number}.stderr\n"
            f"code=$?\necho $code > {number}.exit\n"
        )
        if not step.ignore_error:
            lines.append("[ $code -eq 0 ] || exit 0\n")
        if number < len(steps):
            lines.append(ring)
    return "".join(lines)


def program(command: Command, *, tail: str, log_tail: int) -> str:
    """Run `"$@"` in the command's working directory with its streams; end as it ends.

    Streams that go to files are opened here, where the job's own view holds, and the last `log_tail` bytes of
    them are copied to this text's own streams by `tail`, the path of tail(1).
    """
    cd = f"cd {quote(command.workdir)} || exit 127\n" if command.workdir else ""
    if not (command.stdin or command.stdout or command.stderr):
        return f'{cd}exec "$@"'
    copies = [_copy(command.stdout, "", tail, log_tail)]
    if command.stderr != command.stdout:
        copies.append(_copy(command.stderr, " >&2", tail, log_tail))
    # The trap lets this shell outlive a TERM that the command may take its time to obey.
    return f'{cd}trap : TERM\n( exec "$@" ){_redirects(command)}\ncode=$?\n{"".join(copies)}exit $code'


def exports(env: Mapping[str, str]) -> str:
    """Set variables that a shell can hold."""
    return "".join(f"export {key}={quote(value)}\n" for key, value in env.items())


def split(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that a shell can hold, and words before the program that set the others."""
    plain = {key: value for key, value in env.items() if _plain(key)}
    odd = [f"{key}={value}" for key, value in env.items() if key not in plain]
    return plain, ("/usr/bin/env", *odd) if odd else ()


def _plain(key: str) -> bool:
    return _IDENTIFIER.fullmatch(key) is not None and key not in _SPECIAL


def _redirects(command: Command) -> str:
    parts = []
    if command.stdin:
        parts.append(f" <{quote(command.stdin)}")
    if command.stdout:
        parts.append(f" >{quote(command.stdout)}")
    if command.stderr:
        parts.append(" 2>&1" if command.stderr == command.stdout else f" 2>{quote(command.stderr)}")
    return "".join(parts)


def _copy(path: str | None, to: str, tail: str, log_tail: int) -> str:
    if not path:
        return ""
    file = quote(path)
    return f"[ -f {file} ] && {quote(tail)} -c {log_tail} {file}{to}\n"
