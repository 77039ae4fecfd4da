import os
from datetime import timedelta
from pathlib import Path

import pytest

from jobyard.domain.files import FileType, Input, Output, StoredOutput
from jobyard.domain.job import CommandLog, JobId
from jobyard.domain.resources import Amount, Request
from jobyard.domain.work import Command, Work
from jobyard.executors.base import Observation, Outcome, Phase, Spec
from jobyard.executors.local.folder import Folder
from jobyard.executors.local.logs import tail_of

SPEC = Spec(
    job=JobId("job"),
    attempt=2,
    amount=Amount(cores=1, memory=2, disk=3),
    time_limit=timedelta(seconds=1.5),
    work=Work(
        commands=(Command(image="any", argv=("a", "é\n"), env={"A": ""}, ignore_error=True),),
        inputs=(Input(path="/a", content="x"), Input(path="/b", url="file:///b", type=FileType.DIRECTORY)),
        outputs=(Output(path="/o/*", path_prefix="/o", url="/x"),),
        volumes=("/v",),
        resources=Request(zones=("z",), parameters={"k": "v"}),
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / SPEC.key)
    folder.take_up(SPEC)
    return folder


def test_a_spec_comes_back_as_it_was(folder: Folder) -> None:
    assert folder.spec() == SPEC


def test_a_result_comes_back_as_it_was(folder: Folder) -> None:
    result = Observation(
        phase=Phase.ENDED,
        outcome=Outcome.FAILED,
        started=folder.started,
        commands=(CommandLog(started=folder.started, exit_code=1, stdout="é\0"),),
        outputs=(StoredOutput(url="u", path="/p", size=1, sha256="0"),),
        system_log=("line",),
        metadata={"hostname": "h"},
    )
    assert folder.result() is None
    folder.keep_result(result)
    assert folder.result() == result


def test_what_a_power_cut_has_emptied_counts_as_absent_and_is_written_again(folder: Folder) -> None:
    for name in ("spec.json", "result.json"):
        (folder.path / name).write_bytes(b"")
    assert (folder.spec(), folder.result()) == (None, None)
    folder.take_up(SPEC)
    assert folder.spec() == SPEC


@pytest.mark.parametrize("written, read", [("12\n", 12), ("12", None), ("", None)])
def test_a_mark_counts_only_as_a_complete_line(folder: Folder, written: str, read: int | None) -> None:
    (folder.path / "1.start").touch()
    (folder.path / "1.exit").write_text(written)
    (folder.path / "pid").write_text(written)
    (mark,) = folder.marks(1)
    assert mark.exit_code == read
    assert (mark.ended is None) is (read is None)
    assert folder.pid() == read


@pytest.mark.parametrize(
    "data, tail",
    [(b"", ""), (b"abc", "abc"), (b"abcdef", "cdef"), ("xx€€".encode(), "€"), (b"\xff", "\ufffd")],
)
def test_a_tail_begins_with_a_whole_character(tmp_path: Path, data: bytes, tail: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert tail_of(os.dup(file.fileno()), 4) == tail
