"""How the command line ends when something went wrong: a line that says what and what to do, and a code."""

import os
import sys
import traceback
from collections.abc import Mapping
from enum import IntEnum

from jobyard.cli.terminal import one_line
from jobyard.domain.errors import Invalid, JobyardError


class ExitCode(IntEnum):
    """How commands end; `run` ends with the job's own code where the job has one."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SYSTEM = 125
    INTERRUPTED = 130


EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.OK: "It went well. `wait`: every task ended in COMPLETE.",
    ExitCode.FAILED: "It did not, and standard error says why. `wait`: a task ended in another state. "
    "`doctor`, `config check`: something must be mended first.",
    ExitCode.USAGE: "The command line itself is wrong.",
    ExitCode.SYSTEM: "`run`: the job has no exit code by the system's fault. It ended in SYSTEM_ERROR or "
    "PREEMPTED, or the server refused it or could not be reached.",
    ExitCode.INTERRUPTED: "Ctrl-C. `run`: the job was canceled, by whomever.",
}
"""What the codes mean, for the reference page."""

DEBUG = "JOBYARD_DEBUG"
"""Set to 1, it shows where in the program an error came from."""


def complain(error: Exception) -> None:
    """Say it on standard error: one line, and one more for each problem that has a place."""
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    for line in _lines(error):
        sys.stderr.write(line + "\n")


def _lines(error: Exception) -> list[str]:
    if isinstance(error, Invalid):
        details = [f"{problem.loc}: {problem.msg}" for problem in error.problems]
        shown = [f"  {detail}" for detail in details if detail != str(error)]
        return [one_line(line) for line in (f"jobyard: {error}", *shown)]
    if isinstance(error, JobyardError):
        return [one_line(f"jobyard: {error}")]
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return [one_line(f"jobyard: {error.filename}: {error.strerror}")]
    hint = f"; run it again with {DEBUG}=1 to see where" if DEBUG not in os.environ else ""
    return [one_line(f"jobyard: unexpected {type(error).__name__}: {error}{hint}")]
