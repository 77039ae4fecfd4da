"""What can go wrong, in words a user can act on. Protocols map these to their own codes."""

from collections.abc import Sequence
from dataclasses import dataclass


class JobyardError(Exception):
    """Base of all errors that callers may see. The message is a sentence without secrets."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (`executors[0].image`) and what."""

    loc: str
    msg: str


class Invalid(JobyardError):
    """The request can never work as it stands. `problems` names each field."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class TooLarge(Invalid):
    """A size is over its limit."""


class NotFound(JobyardError):
    """There is no such thing, or it is not the caller's to see."""


class Conflict(JobyardError):
    """The request contradicts the present state."""


class Denied(JobyardError):
    """The caller is known and may not do this."""


class Unavailable(JobyardError):
    """Not now: try again later."""


class Failure(JobyardError):
    """A job's attempt cannot go on, by the system's fault. `passing` says whether another may work."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Fenced(JobyardError):
    """The caller's lease has gone to somebody else: stop at once, touch nothing."""
