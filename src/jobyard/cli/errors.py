"""How the command line ends when something went wrong: a line that says what and what to do, and a code."""

import os
import sys
import traceback
from enum import IntEnum

from jobyard.cli.terminal import one_line
from jobyard.domain.errors import Invalid, JobyardError


class ExitCode(IntEnum):
    """Codes of all commands; `run` gives the job's own where the job has one."""

    OK = 0
    FAILED = 1
    """It went wrong, and standard error says what; `wait`: not every task ended in COMPLETE; `doctor` and
    `config check`: something must be mended first."""
    USAGE = 2
    """The command line itself is wrong."""
    SYSTEM = 125
    """`run` only: the job has no exit code, by the system's fault: it ended in SYSTEM_ERROR or PREEMPTED, or
    the server could not be reached or refused it."""
    INTERRUPTED = 130
    """Ctrl-C, and for `run` a job that was canceled, by whomever."""


DEBUG = "JOBYARD_DEBUG"
"""Set to 1, it shows where in the program an error came from."""


def complain(error: Exception) -> None:
    """Say it on standard error: one line, and one more for each problem that has a place."""
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    for line in _lines(error):
        print(line, file=sys.stderr)  # noqa: T201 - a command line speaks


def _lines(error: Exception) -> list[str]:
    if isinstance(error, Invalid):
        details = [f"  {problem.loc}: {problem.msg}" for problem in error.problems]
        return [one_line(line) for line in (f"jobyard: {error}", *details)]
    if isinstance(error, JobyardError):
        return [one_line(f"jobyard: {error}")]
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return [one_line(f"jobyard: {error.filename}: {error.strerror}")]
    hint = f"; run it again with {DEBUG}=1 to see where" if DEBUG not in os.environ else ""
    return [one_line(f"jobyard: unexpected {type(error).__name__}: {error}{hint}")]
