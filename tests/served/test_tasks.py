"""What a task may ask for, seen by its results."""

import hashlib

import httpx
import pytest

pytestmark = pytest.mark.slow

MAKE_OUTPUTS = """
mkdir -p /out/tree/deep
cp /vol/both /out/b.txt
echo c > /out/c.txt
echo no > /out/.hidden.txt
cp /out/b.txt /out/tree/deep/
"""


def test_volumes_inputs_and_wildcard_outputs(instance) -> None:
    task = instance.create(
        inputs=[
            {"path": "/data/in/a.txt", "content": "a"},
            {
                "path": "/data/dir",
                "url": instance.file("dir/x/one", "1").rsplit("/", 2)[0],
                "type": "DIRECTORY",
            },
        ],
        outputs=[
            {"path": "/out/*.txt", "path_prefix": "/out", "url": instance.url_of("wild")},
            {"path": "/out/tree", "url": instance.url_of("tree"), "type": "DIRECTORY"},
        ],
        volumes=["/vol"],
        executors=[
            {"image": "none", "command": ["sh", "-c", "cat /data/in/a.txt /data/dir/x/one > /vol/both"]},
            {
                "image": "none",
                "command": ["sh", "-c", MAKE_OUTPUTS],
            },
        ],
    )
    ended = instance.wait(task)
    assert ended["state"] == "COMPLETE", ended
    assert (instance.root / "wild/b.txt").read_text() == "a1"
    assert sorted(path.name for path in (instance.root / "wild").iterdir()) == ["b.txt", "c.txt"]
    assert (instance.root / "tree/deep/b.txt").read_text() == "a1"
    outputs = {(log["path"], log["size_bytes"]) for log in ended["logs"][0]["outputs"]}
    assert outputs == {("/out/b.txt", "2"), ("/out/c.txt", "2"), ("/out/tree/deep/b.txt", "2")}
    digest = hashlib.sha256(b"a1").hexdigest()
    assert any(digest in line for line in ended["logs"][0]["system_logs"])


def test_arguments_arrive_byte_for_byte(instance) -> None:
    words = ["a b", '"', "'", "$HOME", "`id`", "*", "new\nline", "", "ünïcödé", "\\", "-n"]
    script = "import sys, json; print(json.dumps(sys.argv[1:]))"
    task = instance.create(executors=[{"image": "none", "command": ["python3", "-c", script, *words]}])
    import json

    assert json.loads(instance.wait(task)["logs"][0]["logs"][0]["stdout"]) == words


def test_a_failed_executor_stops_the_task_and_its_outputs_are_kept(instance) -> None:
    task = instance.create(
        outputs=[{"path": "/out/rc", "url": instance.url_of("rc")}],
        executors=[
            {"image": "none", "command": ["false"], "ignore_error": True},
            {"image": "none", "command": ["sh", "-c", "echo 7 > /out/rc; exit 7"]},
            {"image": "none", "command": ["echo", "never"]},
        ],
    )
    ended = instance.wait(task)
    assert ended["state"] == "EXECUTOR_ERROR"
    assert [log["exit_code"] for log in ended["logs"][0]["logs"]] == [1, 7]
    assert (instance.root / "rc").read_text() == "7\n"


def test_a_missing_output_is_an_error_that_names_it(instance) -> None:
    task = instance.create(
        outputs=[
            {"path": "/out/there", "url": instance.url_of("there")},
            {"path": "/out/missing", "url": instance.url_of("missing")},
        ],
        executors=[{"image": "none", "command": ["sh", "-c", "echo yes > /out/there"]}],
    )
    ended = instance.wait(task)
    assert ended["state"] == "SYSTEM_ERROR"
    assert (instance.root / "there").read_text() == "yes\n"
    assert any("/out/missing" in line for line in ended["logs"][0]["system_logs"])


def test_a_time_limit_ends_a_task(instance) -> None:
    task = instance.create(
        executors=[{"image": "none", "command": ["sleep", "1000"]}],
        resources={"backend_parameters": {"timeout_seconds": "1"}},
    )
    ended = instance.wait(task)
    assert ended["state"] == "EXECUTOR_ERROR"
    assert any("time limit" in line for line in ended["logs"][0]["system_logs"])


def test_a_task_larger_than_the_machine_fails_at_once(instance) -> None:
    ended = instance.wait(
        instance.create(executors=[{"image": "none", "command": ["true"]}], resources={"cpu_cores": 100_000})
    )
    assert ended["state"] == "SYSTEM_ERROR"
    assert any("100000 cores" in line for line in ended["logs"][0]["system_logs"])


def test_files_outside_the_roots_are_refused(instance) -> None:
    ended = instance.wait(
        instance.create(
            inputs=[{"path": "/data/x", "url": "file:///etc/passwd"}],
            executors=[{"image": "none", "command": ["cat", "/data/x"]}],
        )
    )
    assert ended["state"] == "SYSTEM_ERROR"
    assert ended["logs"][0]["logs"] == []


def test_an_input_by_http(instance, httpserver) -> None:
    httpserver.expect_request("/file").respond_with_data(b"over http")
    ended = instance.wait(
        instance.create(
            inputs=[{"path": "/data/x", "url": httpserver.url_for("/file")}],
            executors=[{"image": "none", "command": ["cat", "/data/x"]}],
        )
    )
    assert ended["state"] == "COMPLETE", ended
    assert ended["logs"][0]["logs"][0]["stdout"] == "over http"


def test_output_is_seen_while_a_task_runs(instance, gate) -> None:
    import shlex

    script = f"echo early; {shlex.join(gate.command)}; echo late"
    task = instance.create(executors=[{"image": "none", "command": ["sh", "-c", script]}])
    gate.wait_for_arrival()
    running = instance.until(task, lambda task: "executor.0.stdout" in task["logs"][0].get("metadata", {}))
    assert running["state"] == "RUNNING"
    assert running["logs"][0]["metadata"]["executor.0.stdout"] == "early\n"
    gate.open.set()
    assert instance.wait(task)["logs"][0]["logs"][0]["stdout"] == "early\nlate\n"


def test_cancel_ends_the_processes_of_a_task(instance, gate) -> None:
    task = instance.create(executors=[{"image": "none", "command": gate.command}] * 2)
    gate.wait_for_arrival()
    assert httpx.post(f"{instance.tes}/tasks/{task}:cancel").json() == {}
    ended = instance.until(task, lambda task: "end_time" in task["logs"][0])
    assert ended["state"] == "CANCELED"
    assert gate.count == 1


def test_cancel_of_a_queued_task_never_runs_it(instance, gate) -> None:
    whole = {"cpu_cores": 4}
    first = instance.create(executors=[{"image": "none", "command": gate.command}], resources=whole)
    gate.wait_for_arrival()
    second = instance.create(executors=[{"image": "none", "command": ["true"]}], resources=whole)
    httpx.post(f"{instance.tes}/tasks/{second}:cancel")
    assert instance.get(second)["state"] == "CANCELED"
    gate.open.set()
    assert instance.wait(first)["state"] == "COMPLETE"
    assert instance.get(second)["logs"][0]["logs"] == []
    assert instance.get(second)["state"] == "CANCELED"
