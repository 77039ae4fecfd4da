"""How an attempt ended, from the marks that its commands left. Pure."""

from collections.abc import Sequence

from jobyard.domain.work import Work
from jobyard.executors.base import Outcome
from jobyard.executors.local.folder import Mark


def verdict(
    work: Work, marks: Sequence[Mark], *, canceled: bool, timed_out: bool, out_of_memory: bool = False
) -> Outcome | None:
    """None: the script ended without having finished, by nothing that we did."""
    if canceled:
        return Outcome.CANCELED
    if timed_out:
        return Outcome.TIMED_OUT
    if not marks or marks[-1].exit_code is None:
        return None
    last = work.commands[len(marks) - 1]
    if marks[-1].exit_code != 0 and not last.ignore_error:
        return Outcome.OUT_OF_MEMORY if out_of_memory else Outcome.FAILED
    return Outcome.SUCCEEDED if len(marks) == len(work.commands) else None


def finished(work: Work, marks: Sequence[Mark]) -> bool:
    """Whether no command is running or to come."""
    return verdict(work, marks, canceled=False, timed_out=False) is not None
