"""The life cycle of a job: the only place that says which state may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a job is in its life."""

    DRAFT = "draft"
    """Being written; its owner has not asked for it to run."""
    HELD = "held"
    """Asked for, and kept back by a person or a rule."""
    QUEUED = "queued"
    INITIALIZING = "initializing"
    """Resources are assigned; inputs are on their way."""
    RUNNING = "running"
    SUSPENDED = "suspended"
    FINALIZING = "finalizing"
    """The commands have ended; outputs are on their way."""
    CANCELING = "canceling"
    """A cancel is being carried out on the backend."""
    COMPLETED = "completed"
    FAILED = "failed"
    """The work's own fault: a command ended with a non-zero exit code."""
    ERRORED = "errored"
    """The system's fault: a transfer, a node, a request that no machine can meet."""
    CANCELED = "canceled"
    PREEMPTED = "preempted"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"

    @property
    def terminal(self) -> bool:
        return not MOVES[self]


class Wanted(StrEnum):
    """What the job's people ask for. A request writes this; the engine makes it so."""

    WAIT = "wait"
    """Stay a draft, or stay held."""
    RUN = "run"
    CANCEL = "cancel"


class Standing(NamedTuple):
    """State and wanted together: all that a protocol needs to name a job's state."""

    state: State
    wanted: Wanted


_ENDS_ON_A_BACKEND = frozenset(
    {
        State.QUEUED,  # another attempt
        State.FINALIZING,
        State.CANCELING,
        State.FAILED,
        State.ERRORED,
        State.PREEMPTED,
        State.TIMED_OUT,
        State.OUT_OF_MEMORY,
    }
)

MOVES: Mapping[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.HELD, State.QUEUED, State.CANCELED}),
    State.HELD: frozenset({State.QUEUED, State.CANCELED}),
    State.QUEUED: frozenset({State.HELD, State.INITIALIZING, State.ERRORED, State.CANCELED}),
    State.INITIALIZING: _ENDS_ON_A_BACKEND | {State.RUNNING},
    State.RUNNING: _ENDS_ON_A_BACKEND | {State.SUSPENDED},
    State.SUSPENDED: _ENDS_ON_A_BACKEND | {State.RUNNING},
    State.FINALIZING: (_ENDS_ON_A_BACKEND - {State.FINALIZING}) | {State.COMPLETED},
    State.CANCELING: frozenset({State.CANCELED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.ERRORED: frozenset(),
    State.CANCELED: frozenset(),
    State.PREEMPTED: frozenset(),
    State.TIMED_OUT: frozenset(),
    State.OUT_OF_MEMORY: frozenset(),
}
"""From each state, the states that may follow. No moves means terminal; nothing else says so."""

TERMINAL: frozenset[State] = frozenset(state for state in State if state.terminal)

ON_A_BACKEND: frozenset[State] = frozenset(
    {State.INITIALIZING, State.RUNNING, State.SUSPENDED, State.FINALIZING, State.CANCELING}
)
"""States in which something of the job may exist on an executor."""
