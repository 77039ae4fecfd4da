"""Names of states: total one way, consistent the other (contract tes 1.6)."""

from itertools import product

import pytest

from jobyard.apis.tes import wire
from jobyard.apis.tes.states import StateTable
from jobyard.domain.state import Standing, State, Wanted

STANDINGS = [Standing(state, wanted) for state, wanted in product(State, Wanted)]
TES_1_0 = set(wire.State) - {wire.State.CANCELING, wire.State.PREEMPTED}


@pytest.mark.parametrize("exposed", [True, False])
def test_every_standing_has_one_name_and_is_found_under_it_only(exposed) -> None:
    table = StateTable(expose_tes11_states=exposed)
    assert set(table.names) == set(STANDINGS)
    assert set(table.standings) == set(wire.State)
    for standing in STANDINGS:
        found_under = [name for name, standings in table.standings.items() if standing in standings]
        assert found_under == [table.names[standing]]


def test_clients_of_tes_1_0_meet_no_state_they_do_not_know() -> None:
    assert set(StateTable(expose_tes11_states=False).names.values()) <= TES_1_0


@pytest.mark.parametrize(
    "state, wanted, exposed, name",
    [
        ("draft", "wait", False, "QUEUED"),
        ("held", "wait", False, "QUEUED"),
        ("queued", "run", False, "QUEUED"),
        ("initializing", "run", False, "INITIALIZING"),
        ("running", "run", False, "RUNNING"),
        ("finalizing", "run", False, "RUNNING"),
        ("suspended", "run", False, "PAUSED"),
        ("completed", "run", False, "COMPLETE"),
        ("completed", "cancel", False, "COMPLETE"),
        ("failed", "run", False, "EXECUTOR_ERROR"),
        ("timed_out", "run", False, "EXECUTOR_ERROR"),
        ("out_of_memory", "run", False, "EXECUTOR_ERROR"),
        ("errored", "cancel", False, "SYSTEM_ERROR"),
        ("canceled", "cancel", False, "CANCELED"),
        ("queued", "cancel", False, "CANCELED"),
        ("running", "cancel", False, "CANCELED"),
        ("canceling", "cancel", False, "CANCELED"),
        ("running", "cancel", True, "CANCELING"),
        ("canceling", "cancel", True, "CANCELING"),
        ("preempted", "run", False, "SYSTEM_ERROR"),
        ("preempted", "run", True, "PREEMPTED"),
    ],
)
def test_a_state_has_the_name_that_the_standard_gives_it(state, wanted, exposed, name) -> None:
    table = StateTable(expose_tes11_states=exposed)
    assert table.names[Standing(State(state), Wanted(wanted))] == name


def test_a_hidden_state_is_explained() -> None:
    table = StateTable(expose_tes11_states=False)
    assert "preempted" in table.reasons[Standing(State.PREEMPTED, Wanted.RUN)]
    assert Standing(State.RUNNING, Wanted.RUN) not in table.reasons
    assert not StateTable(expose_tes11_states=True).reasons
