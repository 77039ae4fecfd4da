"""Every operation, at every base path, as a client sees it."""

import pytest

TASK = {"name": "CompTest", "executors": [{"image": "alpine", "command": ["echo", "hello"]}]}
BASES = ["", "/v1", "/ga4gh/tes/v1"]


@pytest.mark.parametrize("base", BASES)
async def test_a_created_task_is_readable_listed_and_cancelable_at_every_base(client, base) -> None:
    created = await client.post(f"{base}/tasks", json=TASK)
    assert created.status_code == 200
    assert created.headers["content-type"] == "application/json"
    assert list(created.json()) == ["id"]
    id = created.json()["id"]
    assert (await client.get(f"{base}/tasks/{id}")).json() == {"id": id, "state": "QUEUED"}
    assert (await client.get(f"{base}/tasks")).json() == {"tasks": [{"id": id, "state": "QUEUED"}]}
    canceled = await client.post(f"{base}/tasks/{id}:cancel")
    assert (canceled.status_code, canceled.json()) == (200, {})
    assert (await client.get(f"{base}/tasks/{id}")).json()["state"] == "CANCELED"
