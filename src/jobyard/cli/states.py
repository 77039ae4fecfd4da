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


ENDS = frozenset({State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR, State.CANCELED, State.PREEMPTED})


class View(StrEnum):
    """How much of a task is sent."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"
