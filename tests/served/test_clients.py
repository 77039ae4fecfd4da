"""Clients that people use, against a served instance, with tasks that really run."""

import json
import subprocess

import pytest
import tes

pytestmark = pytest.mark.slow


def test_py_tes_creates_waits_gets_lists_and_cancels(instance, gate) -> None:
    client = tes.HTTPClient(instance.url, timeout=10)
    content = instance.file("pytes/in.txt", "hello\n")
    created = client.create_task(
        tes.Task(
            name="py-tes run",
            inputs=[tes.Input(url=content, path="/data/in.txt")],
            outputs=[tes.Output(url=instance.url_of("pytes/out.txt"), path="/data/out.txt")],
            executors=[
                tes.Executor(
                    image="none", command=["tr", "a-z", "A-Z"], stdin="/data/in.txt", stdout="/data/out.txt"
                )
            ],
            tags={"by": "py-tes"},
        )
    )
    ended = client.wait(created, timeout=30)
    full = client.get_task(created, view="FULL")
    assert ended.state == full.state == "COMPLETE"
    assert full.logs[0].logs[0].exit_code == 0
    assert full.logs[0].logs[0].stdout == "HELLO\n"
    assert [(log.path, log.size_bytes) for log in full.logs[0].outputs] == [("/data/out.txt", 6)]
    assert (instance.root / "pytes/out.txt").read_text() == "HELLO\n"
    assert created in {task.id for task in client.list_tasks(view="BASIC", page_size=100).tasks}

    waiting = client.create_task(tes.Task(executors=[tes.Executor(image="none", command=gate.command)]))
    gate.wait_for_arrival()
    assert client.get_task(waiting, view="MINIMAL").state == "RUNNING"
    client.cancel_task(waiting)
    assert client.get_task(waiting, view="MINIMAL").state == "CANCELED"
    assert client.get_service_info().type["artifact"] == "tes"


def test_py_tes_reads_every_state_and_view(instance) -> None:
    client = tes.HTTPClient(instance.url, timeout=10)
    failed = client.create_task(
        tes.Task(executors=[tes.Executor(image="none", command=["sh", "-c", "echo no >&2; exit 3"])])
    )
    broken = client.create_task(
        tes.Task(
            inputs=[tes.Input(url="s3://nowhere/x", path="/data/x")],
            executors=[tes.Executor(image="none", command=["true"])],
        )
    )
    for id, state in [(failed, "EXECUTOR_ERROR"), (broken, "SYSTEM_ERROR")]:
        client.wait(id, timeout=30)
        for view in ("MINIMAL", "BASIC", "FULL"):
            assert client.get_task(id, view=view).state == state
    assert client.get_task(failed, view="FULL").logs[0].logs[0].stderr == "no\n"
    assert any("s3" in line for line in client.get_task(broken, view="FULL").logs[0].system_logs)


def test_a_curl_session_as_a_reader_would_type_it(instance) -> None:
    def curl(*words: str) -> dict:
        done = subprocess.run(["curl", "--silent", "--show-error", *words], capture_output=True, check=True)
        answer: dict = json.loads(done.stdout)
        return answer

    task = {"name": "hello", "executors": [{"image": "alpine", "command": ["echo", "hello"]}]}
    url = f"{instance.tes}/tasks"
    created = curl("-X", "POST", url, "-H", "Content-Type: application/json", "-d", json.dumps(task))
    instance.wait(created["id"])
    assert curl(f"{url}/{created['id']}") == {"id": created["id"], "state": "COMPLETE"}
    full = curl(f"{url}/{created['id']}?view=FULL")
    assert full["logs"][0]["logs"][0]["stdout"] == "hello\n"
    assert full["name"] == "hello"
    listed = curl(f"{url}?name_prefix=hell&state=COMPLETE&page_size=1")
    assert listed["tasks"][0] == {"id": created["id"], "state": "COMPLETE"}
    assert curl("-X", "POST", f"{url}/{created['id']}:cancel") == {}
    assert curl(f"{instance.tes}/service-info")["type"]["version"] == "1.1.0"
    assert curl(f"{instance.url}/healthz")["status"] == "ok"


def test_metrics_tell_of_requests_and_jobs(instance) -> None:
    import httpx

    instance.wait(instance.create(executors=[{"image": "none", "command": ["true"]}]))
    text = httpx.get(f"{instance.url}/metrics").text
    assert 'jobyard_jobs{state="completed"}' in text
    assert 'jobyard_http_request_seconds_count{method="POST",status="200"}' in text
