"""`submit` and `run`, against a scripted TES server."""

import json
import signal
import subprocess
import sys

import pytest
from werkzeug import Response

from jobyard.cli.submitting import exit_code
from jobyard.cli.wire import ExecutorLog, Task, TaskLog

TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


def ended(state, *codes, **log):
    commands = [{"exit_code": code} | log for code in codes]
    return {"state": state, "logs": [{"logs": commands, "system_logs": ["a disk broke"]}]}


def test_submit_sends_every_document_of_its_files_and_prints_the_ids(jobyard, tes, tmp_path):
    (tmp_path / "stream.json").write_text(f"\ufeff{json.dumps(TASK)}\n{json.dumps(TASK)}")
    result = jobyard("submit", "stream.json", "-", input=json.dumps([TASK, TASK]))
    assert (result.output, result.exit_code) == ("task-1\ntask-2\ntask-3\ntask-4\n", 0)
    assert tes.created == [TASK] * 4


def test_submit_sends_nothing_if_one_file_is_wrong(jobyard, tes, tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(TASK))
    (tmp_path / "bad.json").write_text('{"a": 1}\n{"b": ]')
    result = jobyard("submit", "good.json", "bad.json")
    assert result.stderr.startswith("jobyard: bad.json, line 2, column 7:")
    assert (tes.created, result.exit_code) == ([], 1)


def test_submit_takes_a_command_after_dashes_with_options_of_its_own(jobyard, tes):
    result = jobyard("submit", "--json", "--cpu", "2", "--tag", "k=v=w", "--", "sort", "-n", "--", "x")
    assert json.loads(result.stdout) == [{"id": "task-1"}]
    assert tes.created == [
        {
            "name": "sort -n -- x",
            "tags": {"k": "v=w"},
            "resources": {"cpu_cores": 2},
            "executors": [{"image": "alpine", "command": ["sort", "-n", "--", "x"]}],
        }
    ]


def test_several_tasks_are_sent_up_to_the_one_that_is_refused(jobyard, tes):
    tes.refused = 2
    result = jobyard("submit", "-", input=json.dumps([TASK, TASK, TASK]))
    assert result.stdout == "task-1\n"
    assert result.stderr == "jobyard: task 2 of 3 and those after it were not submitted: no more today\n"
    assert result.exit_code == 1


@pytest.mark.parametrize("words", [[], ["a.json", "--", "true"], ["a.json", "--cpu", "1"]])
def test_submit_wants_either_files_or_a_command(jobyard, words):
    result = jobyard("submit", *words)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_a_refused_task_is_shown_with_every_problem_that_the_server_names(jobyard, tes):
    body = {
        "message": "2 things are wrong",
        "details": [{"loc": "inputs[0].path", "msg": "should be absolute"}],
    }
    tes.failing = [Response(json.dumps(body), 400)]
    result = jobyard("submit", "--", "true")
    assert result.stderr == "jobyard: 2 things are wrong\n  inputs[0].path: should be absolute\n"
    assert result.exit_code == 1


def test_a_message_that_is_its_only_detail_is_said_once(jobyard, tes):
    body = {"message": "a: should be b", "details": [{"loc": "a", "msg": "should be b"}]}
    tes.failing = [Response(json.dumps(body), 400)]
    assert jobyard("submit", "--", "true").stderr == "jobyard: a: should be b\n"


def test_run_gives_the_output_and_the_exit_code_of_the_job(jobyard, tes):
    tes.becomes = [{"state": "QUEUED"}, ended("EXECUTOR_ERROR", 7, stdout="out\n", stderr="err\n")]
    result = jobyard("run", "sh", "-c", "echo out")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 7)
    assert tes.created[0]["executors"][0]["command"] == ["sh", "-c", "echo out"]


def test_run_ends_with_125_and_the_reason_if_the_system_failed(jobyard, tes):
    tes.becomes = [ended("SYSTEM_ERROR")]
    result = jobyard("run", "--", "true")
    assert result.stderr == "jobyard: task task-1 ended in SYSTEM_ERROR; a disk broke\n"
    assert result.exit_code == 125


def test_run_names_the_task_that_it_can_no_longer_follow(jobyard, tes):
    tes.becomes = [{"state": "QUEUED", "logs": 3}]
    result = jobyard("run", "--", "true")
    assert result.exit_code == 125
    assert "task task-1 is left as it is; `jobyard logs -f task-1` follows it" in result.stderr


def test_run_ends_with_125_if_there_is_no_server(jobyard):
    result = jobyard("run", "--server", "http://127.0.0.1:9", "--", "true")
    assert result.exit_code == 125
    assert "cannot reach http://127.0.0.1:9" in result.stderr


@pytest.mark.parametrize(
    "state, code, expected",
    [
        ("COMPLETE", 0, 0), ("COMPLETE", 3, 3), ("COMPLETE", None, 0),
        ("EXECUTOR_ERROR", 1, 1), ("EXECUTOR_ERROR", 256, 255), ("EXECUTOR_ERROR", -9, 255),
        ("EXECUTOR_ERROR", 0, 1), ("EXECUTOR_ERROR", None, 1),
        ("CANCELED", 0, 130), ("SYSTEM_ERROR", 0, 125), ("PREEMPTED", 0, 125),
    ],
)  # fmt: skip
def test_no_failure_of_a_job_looks_like_success(state, code, expected):
    logs = () if code is None else (ExecutorLog(exit_code=code),)
    assert exit_code(Task(state=state, logs=(TaskLog(logs=logs),))) == expected


def test_ctrl_c_cancels_the_task_and_waits_for_its_end(tes, environment, tmp_path):
    tes.becomes = [{"state": "RUNNING"}]
    with subprocess.Popen(
        [sys.executable, "-m", "jobyard", "run", "--", "sleep", "9"], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        tes.polled.wait(20)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert tes.canceled == ["task-1"]
    assert process.returncode == 130
    assert errors == "jobyard: task task-1 ended in CANCELED\n"
