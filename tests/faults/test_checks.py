"""The campaign sees what is wrong with a task."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from faults.cases import KINDS, Case, Maker
from faults.checks import wrong_with
from faults.clients import Sent
from faults.counter import Runs


def several(root: Path) -> Case:
    """A task of several executors, which leaves a file."""
    make = Maker(random=Random(1), root=root, mark="mark", say="")
    return make.case(list(KINDS).index("several executors"))


def wrong(root: Path, case: Case, **changes: Any) -> list[str]:
    """What is wrong with the task, if all but these changes is as it should be."""
    runs = Runs()
    for index in range(len(case.exit_codes)):
        runs.begun[case.token, index] = 1
    runs.begun.update(changes.pop("ran", {}))
    for name, content in changes.pop("files", case.files).items():
        (root / name).write_bytes(content)
    logs = changes.pop("logs", [{"exit_code": code} for code in case.exit_codes])
    task = {"state": case.state, "logs": [{"logs": logs}], **changes}
    return list(wrong_with(Sent(case=case, id="a"), task, runs, root))


def test_a_task_that_did_what_it_should_is_right(tmp_path: Path) -> None:
    assert wrong(tmp_path, several(tmp_path)) == []


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"state": "SYSTEM_ERROR"}, "is SYSTEM_ERROR"),
        ({"state": "CANCELED"}, "is CANCELED"),
        ({"ran": {("t00003", 1): 1}}, "executor 1 ran 2 times"),
        ({"ran": {("t00003", 0): -1}}, "executor 0 did not run"),
        ({"logs": []}, "exit codes"),
        ({"files": {}}, "is missing"),
        ({"files": {"t00003.steps": b"0\n0\n"}}, "has other content"),
    ],
)
def test_a_task_that_did_anything_else_is_wrong(tmp_path: Path, changes: dict, told: str) -> None:
    found = wrong(tmp_path, several(tmp_path), **changes)
    assert len(found) == 1
    assert told in found[0]
