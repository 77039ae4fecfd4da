"""What a job looks like as a task, in every view and at every point of its life (contract tes 1.5, 1.7)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
import tes

from jobyard.apis.tes.mapping import TaskMapper, timestamp
from jobyard.apis.tes.options import TesOptions
from jobyard.apis.tes.reading import read_draft
from jobyard.apis.tes.states import StateTable
from jobyard.domain.files import StoredOutput
from jobyard.domain.job import Attempt, CommandLog, Job, JobId
from jobyard.domain.state import State, Wanted

AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
WHOLE = {
    "name": "sum",
    "description": "Sums a file",
    "inputs": [
        {
            "name": "in",
            "description": "d",
            "url": "s3://key:secret@bucket/in",
            "path": "/data/in",
            "type": "FILE",
            "streamable": True,
        },
        {"path": "/data/text", "type": "FILE", "content": "hello"},
    ],
    "outputs": [
        {
            "name": "out",
            "description": "d",
            "url": "ftp://me@host/out/",
            "path": "/out/*.txt",
            "path_prefix": "/out",
            "type": "FILE",
        }
    ],
    "resources": {
        "cpu_cores": 2,
        "preemptible": False,
        "ram_gb": 0.5,
        "disk_gb": 1.0,
        "zones": ["a"],
        "backend_parameters": {"retries": "1"},
        "backend_parameters_strict": True,
    },
    "executors": [
        {
            "image": "alpine",
            "command": ["md5sum", "/data/in"],
            "workdir": "/data",
            "stdin": "/data/in",
            "stdout": "/out/a.txt",
            "stderr": "/out/b.txt",
            "env": {"A": "b"},
            "ignore_error": True,
        },
        {"image": "alpine", "command": ["true"]},
    ],
    "volumes": ["/scratch"],
    "tags": {"project": "x", "empty": ""},
}
SMALL = {"executors": [{"image": "alpine", "command": ["true"]}]}


def job(document, **fields):
    draft = read_draft(json.dumps(document).encode(), TesOptions())
    return Job(
        id=JobId("0" * 26),
        api="tes",
        owner="local",
        work=draft.work,
        created=AT,
        name=draft.name,
        description=draft.description,
        tags=draft.tags,
        **fields,
    )


def shown(subject, *, full=True, **options):
    chosen = TesOptions(**options)
    mapper = TaskMapper(chosen, StateTable(expose_tes11_states=chosen.expose_tes11_states))
    return json.loads(msgspec.json.encode(mapper.task(subject, full=full)))


def finished(exit_code=0):
    log = CommandLog(started=AT, ended=AT, exit_code=exit_code, stdout="out", stderr="err")
    stored = StoredOutput(url="s3://k:s@b/out/a.txt", path="/out/a.txt", size=3_000_000_000, sha256="0" * 64)
    return Attempt(
        number=1,
        started=AT,
        ended=AT,
        commands=(log,),
        outputs=(stored,),
        system_log=("cannot read s3://key:secret@bucket/in",),
        metadata={"host": "node1"},
    )


def test_a_new_task_is_echoed_as_it_was_sent_with_what_the_server_sets() -> None:
    task = shown(job(WHOLE))
    expected = json.loads(json.dumps(WHOLE).replace("key:secret@", "***@").replace("me@", "***@"))
    assert task == {
        "id": "0" * 26,
        "state": "QUEUED",
        "creation_time": "2026-01-02T03:04:05.678Z",
        "logs": [{"logs": [], "outputs": []}],
        **expected,
    }


@pytest.mark.parametrize("full", [True, False])
def test_nothing_is_echoed_that_was_not_sent(full) -> None:
    assert set(shown(job(SMALL), full=full)) == {"id", "state", "executors", "logs", "creation_time"}
    assert shown(job({**SMALL, "resources": {}, "tags": {}}), full=full)["resources"] == {}
    assert shown(job({**SMALL, "resources": None}), full=full).keys() == shown(job(SMALL), full=full).keys()


def test_basic_leaves_out_content_and_what_was_printed() -> None:
    done = job(WHOLE, state=State.COMPLETED, attempts=(finished(),))
    basic, full = shown(done, full=False), shown(done)
    assert basic["inputs"][1] == {"path": "/data/text", "type": "FILE"}
    assert full["inputs"][1]["content"] == "hello"
    log = {
        "start_time": "2026-01-02T03:04:05.678Z",
        "end_time": "2026-01-02T03:04:05.678Z",
        "exit_code": 0,
    }
    assert basic["executors"] == full["executors"] == WHOLE["executors"]
    assert basic["logs"] == [
        {
            "logs": [log],
            "metadata": {"host": "node1"},
            "start_time": "2026-01-02T03:04:05.678Z",
            "end_time": "2026-01-02T03:04:05.678Z",
            "outputs": [{"url": "s3://***@b/out/a.txt", "path": "/out/a.txt", "size_bytes": "3000000000"}],
        }
    ]
    assert full["logs"] == [
        {
            **basic["logs"][0],
            "logs": [{**log, "stdout": "out", "stderr": "err"}],
            "system_logs": ["cannot read s3://***@bucket/in"],
        }
    ]


def test_a_running_executor_has_no_log_yet_and_its_output_is_in_the_metadata_of_full() -> None:
    done = CommandLog(started=AT, ended=AT, exit_code=0, stdout="one")
    running = CommandLog(started=AT, stdout="so far", stderr="")
    attempt = Attempt(number=1, started=AT, commands=(done, running), metadata={"host": "n"})
    subject = job(WHOLE, state=State.RUNNING, attempts=(attempt,))
    full, basic = shown(subject)["logs"][0], shown(subject, full=False)["logs"][0]
    assert [log["stdout"] for log in full["logs"]] == ["one"]
    assert full["metadata"] == {"host": "n", "executor.1.stdout": "so far"}
    assert basic["metadata"] == {"host": "n"}


def test_each_attempt_has_a_log() -> None:
    retried = job(SMALL, attempts=(finished(exit_code=1), Attempt(number=2)))
    logs = shown(retried)["logs"]
    assert [len(log["logs"]) for log in logs] == [1, 0]
    assert logs[0]["logs"][0]["exit_code"] == 1


@pytest.mark.parametrize("excused, count", [(False, 1), (True, 2)])
def test_placeholders_stand_for_executors_that_are_sure_to_run(excused, count) -> None:
    first = {"image": "alpine", "command": ["ERROR"], "ignore_error": excused}
    document = {"executors": [first, {"image": "alpine", "command": ["echo"]}]}
    queued = job(document)
    assert shown(queued)["logs"][0]["logs"] == []
    assert shown(queued, prepopulate_executor_logs=True)["logs"][0]["logs"] == [{"exit_code": 0}] * count
    ended = replace(queued, state=State.CANCELED)
    assert shown(ended, prepopulate_executor_logs=True)["logs"][0]["logs"] == []


def test_placeholders_give_way_to_the_logs() -> None:
    running = job(WHOLE, state=State.RUNNING, attempts=(finished(exit_code=3),))
    logs = shown(running, prepopulate_executor_logs=True)["logs"][0]["logs"]
    assert [log["exit_code"] for log in logs] == [3, 0]
    assert logs[1] == {"exit_code": 0}


def test_a_hidden_state_is_explained_in_the_system_log() -> None:
    preempted = job(SMALL, state=State.PREEMPTED)
    assert shown(preempted)["state"] == "SYSTEM_ERROR"
    assert "preempted" in shown(preempted)["logs"][0]["system_logs"][-1]
    exposed = shown(preempted, expose_tes11_states=True)
    assert exposed["state"] == "PREEMPTED"
    assert "system_logs" not in exposed["logs"][0]


def test_times_are_utc_with_milliseconds() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert timestamp(datetime(2026, 1, 1, tzinfo=tokyo)) == "2025-12-31T15:00:00.000Z"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("wanted", Wanted)
@pytest.mark.parametrize("full", [True, False])
def test_py_tes_understands_a_task_in_every_state(state, wanted, full) -> None:
    for attempt in (Attempt(number=1), finished(exit_code=1)):
        subject = job(WHOLE, state=state, wanted=wanted, attempts=(attempt,))
        text = json.dumps(shown(subject, full=full))
        assert "null" not in text
        task = tes.unmarshal(text, tes.Task)
        assert task.as_dict(drop_empty=True)["executors"]
