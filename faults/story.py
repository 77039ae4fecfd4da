"""What the database tells of all jobs: read once the server has stopped."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jobyard.domain.state import MOVES, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row of the changes."""

    id: str
    kind: str
    state: State
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the database holds."""

    broken: str
    """What its own check complains of; empty if nothing."""
    states: dict[str, State]
    """Of each job, by its id."""
    keys: int
    """Requests that must run once."""
    steps: Sequence[Step]
    """In the order in which they were written."""


def read(path: Path) -> Stored:
    with closing(sqlite3.connect(path)) as db:
        check = "; ".join(row[0] for row in db.execute("PRAGMA integrity_check"))
        changes = db.execute(
            "SELECT id, kind, changes.state, at FROM changes JOIN jobs USING (number) ORDER BY sequence"
        )
        return Stored(
            broken="" if check == "ok" else check,
            states={id: State(state) for id, state in db.execute("SELECT id, state FROM jobs")},
            keys=db.execute("SELECT count(*) FROM once").fetchone()[0],
            steps=[
                Step(id=id, kind=kind, state=State(state), at=at / 1e6) for id, kind, state, at in changes
            ],
        )


def wrong_in(stored: Stored, tasks: Counter[str]) -> Iterator[str]:
    """What is wrong with it, if these tasks were acknowledged."""
    if stored.broken:
        yield f"integrity check: {stored.broken}"
    if lost := tasks.keys() - stored.states.keys():
        yield f"acknowledged and not there: {sorted(lost)}"
    if more := stored.states.keys() - tasks.keys():
        yield f"there and not acknowledged, although every create was repeated until it was: {sorted(more)}"
    yield from (f"{id}: one task for {times} creates" for id, times in tasks.items() if times > 1)
    if stored.keys != len(tasks):
        yield f"{stored.keys} keys for {len(tasks)} tasks"
    told = {id: list(steps) for id, steps in groupby(sorted(stored.steps, key=_id), key=_id)}
    for id, state in stored.states.items():
        yield from (f"{id}: {fault}" for fault in wrong_with(told.get(id, []), state))


def _id(step: Step) -> str:
    return step.id


def wrong_with(steps: Sequence[Step], state: State) -> Iterator[str]:
    """What is wrong with one job's story, if this is its state."""
    if not steps or (steps[0].kind, steps[0].state) != ("created", State.QUEUED):
        yield "its story does not begin with its creation"
        return
    here, canceled = State.QUEUED, False
    for step in steps[1:]:
        if step.kind == "wanted":
            if canceled or here.terminal:
                yield f"a cancel was accepted in {here}{' again' * canceled}"
            canceled = True
        elif step.kind != "moved" or step.state not in MOVES[here]:
            yield f"{step.kind} from {here} to {step.state}"
        elif canceled and step.state not in {State.CANCELING, State.CANCELED}:
            yield f"moved to {step.state} after a cancel was accepted"
        if step.kind == "moved":
            here = step.state
    if here is not state:
        yield f"its story ends in {here}, and it is {state}"
    if canceled != (here is State.CANCELED):
        yield f"ended in {here}, a cancel {'was' if canceled else 'was not'} accepted"
