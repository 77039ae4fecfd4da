"""The words of TES 1.1 that the command line offers and asks about."""

from enum import StrEnum


class State(StrEnum):
    """The states of TES 1.1."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"


_UNFINISHED = frozenset(
    {
        State.UNKNOWN,
        State.QUEUED,
        State.INITIALIZING,
        State.RUNNING,
        State.PAUSED,
        State.CANCELING,
    }
)


def has_ended(state: str) -> bool:
    """Also true for a word that is not of the standard: nobody should wait for it for ever."""
    return state not in _UNFINISHED


class View(StrEnum):
    """How much of a task is sent."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"
