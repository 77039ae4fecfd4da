"""Task states: a total table from where a job stands to what TES calls it, and its inverse (contract 1.6)."""

from collections.abc import Mapping
from itertools import product

from jobyard.apis.tes.wire import TaskState
from jobyard.domain.state import Standing, State, Wanted

_NAMES: Mapping[State, TaskState] = {
    State.DRAFT: TaskState.QUEUED,
    State.HELD: TaskState.QUEUED,
    State.QUEUED: TaskState.QUEUED,
    State.INITIALIZING: TaskState.INITIALIZING,
    State.RUNNING: TaskState.RUNNING,
    State.SUSPENDED: TaskState.PAUSED,
    State.FINALIZING: TaskState.RUNNING,
    State.CANCELING: TaskState.CANCELING,
    State.COMPLETED: TaskState.COMPLETE,
    State.FAILED: TaskState.EXECUTOR_ERROR,
    State.ERRORED: TaskState.SYSTEM_ERROR,
    State.CANCELED: TaskState.CANCELED,
    State.PREEMPTED: TaskState.PREEMPTED,
    State.TIMED_OUT: TaskState.EXECUTOR_ERROR,
    State.OUT_OF_MEMORY: TaskState.EXECUTOR_ERROR,
}

_TES_1_0: Mapping[TaskState, TaskState] = {
    TaskState.CANCELING: TaskState.CANCELED,
    TaskState.PREEMPTED: TaskState.SYSTEM_ERROR,
}
"""What stands for the states that clients of TES 1.0 do not know."""

_REASONS: Mapping[TaskState, str] = {
    TaskState.CANCELING: "shown as CANCELED: the cancel is durable and is being carried out",
    TaskState.PREEMPTED: "shown as SYSTEM_ERROR: the task was preempted by the system",
}


class StateTable:
    """`names` is total over standings; `standings` is its inverse, total over task states."""

    def __init__(self, *, expose_tes11_states: bool) -> None:
        real = {standing: _name(standing) for standing in map(Standing._make, product(State, Wanted))}
        hidden = {} if expose_tes11_states else _TES_1_0
        self.names: Mapping[Standing, TaskState] = {
            standing: hidden.get(name, name) for standing, name in real.items()
        }
        self.reasons: Mapping[Standing, str] = {
            standing: _REASONS[name] for standing, name in real.items() if name in hidden
        }
        """A line for the system log, where the name hides something."""
        self.standings: Mapping[TaskState, frozenset[Standing]] = {
            shown: frozenset(standing for standing, name in self.names.items() if name is shown)
            for shown in TaskState
        }


def _name(standing: Standing) -> TaskState:
    if standing.wanted is Wanted.CANCEL and not standing.state.terminal:
        return TaskState.CANCELING
    return _NAMES[standing.state]
