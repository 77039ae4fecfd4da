"""Task states: a total table from where a job stands to what TES calls it, and its inverse (contract 1.6)."""

from collections.abc import Mapping
from itertools import product

from jobyard.apis.tes import wire
from jobyard.domain.state import Standing, State, Wanted

_NAMES: Mapping[State, wire.State] = {
    State.DRAFT: wire.State.QUEUED,
    State.HELD: wire.State.QUEUED,
    State.QUEUED: wire.State.QUEUED,
    State.INITIALIZING: wire.State.INITIALIZING,
    State.RUNNING: wire.State.RUNNING,
    State.SUSPENDED: wire.State.PAUSED,
    State.FINALIZING: wire.State.RUNNING,
    State.CANCELING: wire.State.CANCELING,
    State.COMPLETED: wire.State.COMPLETE,
    State.FAILED: wire.State.EXECUTOR_ERROR,
    State.ERRORED: wire.State.SYSTEM_ERROR,
    State.CANCELED: wire.State.CANCELED,
    State.PREEMPTED: wire.State.PREEMPTED,
    State.TIMED_OUT: wire.State.EXECUTOR_ERROR,
    State.OUT_OF_MEMORY: wire.State.EXECUTOR_ERROR,
}

_TES_1_0: Mapping[wire.State, wire.State] = {
    wire.State.CANCELING: wire.State.CANCELED,
    wire.State.PREEMPTED: wire.State.SYSTEM_ERROR,
}
"""What stands for the states that clients of TES 1.0 do not know."""

_REASONS: Mapping[wire.State, str] = {
    wire.State.CANCELING: "shown as CANCELED: the cancel is durable and is being carried out",
    wire.State.PREEMPTED: "shown as SYSTEM_ERROR: the task was preempted by the system",
}


class StateTable:
    """`names` is total over standings; `standings` is its inverse, total over task states."""

    def __init__(self, *, expose_tes11_states: bool) -> None:
        real = {standing: _name(standing) for standing in map(Standing._make, product(State, Wanted))}
        hidden = {} if expose_tes11_states else _TES_1_0
        self.names: Mapping[Standing, wire.State] = {
            standing: hidden.get(name, name) for standing, name in real.items()
        }
        self.reasons: Mapping[Standing, str] = {
            standing: _REASONS[name] for standing, name in real.items() if name in hidden
        }
        """A line for the system log, where the name hides something."""
        self.standings: Mapping[wire.State, frozenset[Standing]] = {
            shown: frozenset(standing for standing, name in self.names.items() if name is shown)
            for shown in wire.State
        }


def _name(standing: Standing) -> wire.State:
    if standing.wanted is Wanted.CANCEL and not standing.state.terminal:
        return wire.State.CANCELING
    return _NAMES[standing.state]
