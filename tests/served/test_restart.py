"""The server stops in the middle of a task: the task ends as it would have, once."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.slow

Make = Callable[..., "Instance"]  # noqa: F821 (a fixture's type, from conftest)


@pytest.mark.parametrize("way", ["stop", "kill"])
@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_a_running_task_outlives_the_server(make_instance: Make, gate, way: str, sandbox: str) -> None:
    instance = make_instance(JOBYARD_LOCAL__SANDBOX=sandbox)
    instance.start()
    task = instance.create(
        executors=[
            {"image": "none", "command": [*gate.command]},
            {"image": "none", "command": ["sh", "-c", "echo done; echo kept > /data/out"]},
        ],
        outputs=[{"path": "/data/out", "url": instance.url_of("kept.txt")}],
    )
    gate.wait_for_arrival()
    getattr(instance, way)()
    gate.open.set()
    instance.start()

    ended = instance.wait(task)

    assert ended["state"] == "COMPLETE"
    assert [log["exit_code"] for log in ended["logs"][0]["logs"]] == [0, 0]
    assert ended["logs"][0]["logs"][1]["stdout"] == "done\n"
    assert len(ended["logs"]) == 1
    assert gate.count == 1
    assert (instance.root / "kept.txt").read_text() == "kept\n"


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_task_that_ends_while_the_server_is_away_is_found_ended(
    make_instance: Make, gate, way: str
) -> None:
    instance = make_instance()
    instance.start()
    task = instance.create(executors=[{"image": "none", "command": gate.command}])
    gate.wait_for_arrival()
    getattr(instance, way)()
    gate.open.set()
    instance.start()
    assert instance.wait(task)["state"] == "COMPLETE"
    assert gate.count == 1


def test_queued_tasks_are_not_lost_when_everything_is_killed(make_instance: Make, gate) -> None:
    instance = make_instance(JOBYARD_LOCAL__CORES="1")
    instance.start()
    first = instance.create(executors=[{"image": "none", "command": gate.command}])
    gate.wait_for_arrival()
    others = [
        instance.create(executors=[{"image": "none", "command": ["echo", str(number)]}])
        for number in range(20)
    ]
    instance.kill()
    gate.open.set()
    instance.start()
    assert instance.wait(first)["state"] == "COMPLETE"
    for number, id in enumerate(others):
        ended = instance.wait(id)
        assert ended["state"] == "COMPLETE"
        assert ended["logs"][0]["logs"][0]["stdout"] == f"{number}\n"


def test_a_cancel_is_kept_while_no_engine_runs(make_instance: Make, gate) -> None:
    instance = make_instance()
    instance.start()
    task = instance.create(executors=[{"image": "none", "command": gate.command}])
    gate.wait_for_arrival()
    instance.stop()
    instance.start("api")
    import httpx

    assert httpx.post(f"{instance.tes}/tasks/{task}:cancel").json() == {}
    assert instance.get(task, "MINIMAL")["state"] == "CANCELED"
    instance.stop()
    instance.start()
    ended = instance.until(task, lambda task: bool(task["logs"][0].get("end_time")))
    assert ended["state"] == "CANCELED"


def test_a_dead_process_is_started_again(make_instance: Make) -> None:
    import os
    import signal
    from pathlib import Path

    instance = make_instance()
    instance.start()
    assert instance.process is not None
    parent = instance.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    task = None
    import httpx

    for _ in range(200):
        try:
            task = instance.create(executors=[{"image": "none", "command": ["true"]}])
            break
        except httpx.TransportError:
            continue
    assert task is not None
    assert instance.wait(task)["state"] == "COMPLETE"
