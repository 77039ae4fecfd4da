"""Every operation, as a client sees it, at every base path (contract tes 1.1, 1.2, 5.9, 7)."""

import json
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.apis.tes.options import TesOptions
from jobyard.domain.job import CommandLog
from jobyard.domain.state import State

TASK = {"name": "CompTest", "executors": [{"image": "alpine", "command": ["echo", "hello"]}]}
BASES = ["", "/v1", "/ga4gh/tes/v1"]


async def create(client, **fields):
    answer = await client.post("/tasks", json={**TASK, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


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


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("path", ["/service-info", "/tasks/service-info", "/service-info/?a=b"])
async def test_the_service_introduces_itself(client, base, path) -> None:
    answer = await client.get(base + path)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "org.example.jobyard",
        "name": "Jobyard",
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "organization": {"name": "Example <lab>", "url": "https://example.org"},
        "version": "0.1.0",
        "storage": ["file:///data/", "https://"],
        "tesResources_backend_parameters": ["timeout_seconds", "retries", "missing_outputs"],
    }


async def test_a_head_request_has_no_body(client) -> None:
    answer = await client.head("/service-info")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["//v1//tasks", "/v1/tasks/", "/v1/tasks//"])
async def test_slashes_too_many_lead_to_the_same_place_without_a_redirect(client, path) -> None:
    base = str(client.base_url)
    answer = await client.post(base + path, json=TASK, follow_redirects=False)
    assert answer.status_code == 200
    assert (await client.get(base + path, follow_redirects=False)).json()["tasks"]


async def test_the_views_of_one_task_and_of_a_list_are_the_same(client) -> None:
    id = await create(client, inputs=[{"path": "/a", "content": "hello"}])
    for view, has_content in [("MINIMAL", None), ("basic", False), ("Full", True)]:
        one = (await client.get(f"/tasks/{id}", params={"view": view})).json()
        assert (await client.get("/tasks", params={"view": view})).json() == {"tasks": [one]}
        if has_content is None:
            assert list(one) == ["id", "state"]
        else:
            assert ("content" in one["inputs"][0]) is has_content
            assert one["logs"] == [{"logs": [], "outputs": []}]


async def test_a_changed_task_is_shown_as_it_is_now(client, change) -> None:
    id = await create(client)
    before = (await client.get(f"/tasks/{id}?view=FULL")).json()
    await change(id, lambda job: job.move(State.INITIALIZING))
    running = CommandLog(started=None, stdout="so far")
    await change(
        id,
        lambda job: job.move(State.RUNNING).with_attempt(replace(job.attempt, commands=(running,))),
    )
    after = (await client.get(f"/tasks/{id}?view=FULL")).json()
    assert (before["state"], after["state"]) == ("QUEUED", "RUNNING")
    assert after["logs"][0]["metadata"] == {"executor.0.stdout": "so far"}
    assert (await client.get("/tasks?view=FULL")).json()["tasks"] == [after]


async def test_warnings_of_the_creation_are_in_the_system_log(client) -> None:
    id = await create(client, frobnicate=1, resources={"backend_parameters": {"VmSize": "x"}})
    task = (await client.get(f"/tasks/{id}?view=FULL")).json()
    assert task["logs"][0]["system_logs"] == [
        "unknown field frobnicate was ignored",
        "backend parameter VmSize is not supported and was dropped",
    ]
    assert task["resources"] == {}


@pytest.mark.parametrize(
    "body, headers",
    [
        (b"", {}),
        (b"", {"Content-Type": "application/json"}),
        (b"{}", {}),
        (b"{]", {"Content-Type": "application/json"}),
        (b"<x/>", {"Content-Type": "application/xml"}),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}),
    ],
)
@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
async def test_a_cancel_takes_any_body_any_number_of_times(client, body, headers, colon) -> None:
    id = await create(client)
    for _ in range(2):
        answer = await client.post(f"/v1/tasks/{id}{colon}cancel", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"{}")


async def test_a_task_that_has_ended_stays_as_it_is_when_canceled(client, change) -> None:
    id = await create(client)
    await change(id, lambda job: job.move(State.ERRORED))
    assert (await client.post(f"/tasks/{id}:cancel")).json() == {}
    assert (await client.get(f"/tasks/{id}")).json()["state"] == "SYSTEM_ERROR"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-type": "APPLICATION/JSON"},
        {"Content-Type": "application/vnd.ga4gh+json"},
        {"Content-Type": "text/plain"},
        {"Content-Encoding": "identity"},
        {"Accept": "text/html"},
        {"Accept": "*/*"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "malformed"},
        {"Authorization": "Basic dXNlcjo="},
    ],
)
async def test_odd_headers_do_no_harm(client, headers) -> None:
    answer = await client.post("/tasks", content=json.dumps(TASK), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "text/xml"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_not_plain_json_is_an_unsupported_media_type(client, headers) -> None:
    answer = await client.post("/tasks", content=json.dumps(TASK), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


async def test_a_body_over_the_limit_is_refused_with_the_limit(serve) -> None:
    client = await serve(TesOptions(max_body=1000))
    answer = await client.post("/tasks", content=b" " * 1001)
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")
    assert "1000 bytes" in answer.json()["message"]


async def test_no_more_of_a_long_body_is_read_than_may_be(serve) -> None:
    client = await serve(TesOptions(max_body=1000))
    taken, sent = [], []

    async def receive():
        taken.append(400)
        return {"type": "http.request", "body": b" " * 400, "more_body": True}

    async def send(message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/tasks",
        "raw_path": b"/tasks",
        "query_string": b"",
        "headers": [],
    }
    await client.app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert len(taken) == 3


@pytest.mark.parametrize(
    "method, path, status, allow",
    [
        ("GET", "/nope", 404, None),
        ("GET", "/v1", 404, None),
        ("GET", "/v2/tasks", 404, None),
        ("GET", "/tasks/a/b", 404, None),
        ("PUT", "/tasks", 405, {"GET", "HEAD", "POST", "OPTIONS"}),
        ("DELETE", "/v1/tasks/{id}", 405, {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/service-info", 405, {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/tasks/{id}", 405, {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/tasks/{id}:cancel", 405, {"POST", "OPTIONS"}),
        ("POST", "/tasks/{id}:pause", 404, None),
        ("POST", "/tasks/{id}:", 404, None),
        ("POST", "/tasks/{id}:cancel:cancel", 404, None),
        ("GET", "/tasks/{id}:pause", 404, None),
    ],
)
async def test_wrong_paths_and_methods_are_told(client, method, path, status, allow) -> None:
    id = await create(client)
    answer = await client.request(method, path.format(id=id))
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["error"] == {404: "not_found", 405: "method_not_allowed"}[status]
    if allow:
        assert set(answer.headers["allow"].split(", ")) == allow


@pytest.mark.parametrize("base", ["", "/v1", "/ga4gh/tes/v1"])
async def test_options_tells_what_is_possible(client, base) -> None:
    for path in ("/tasks", "/tasks/x"):
        answer = await client.options(base + path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.mark.parametrize(
    "id", ["unknown", "0" * 26, "x" * 5000, "a b", "..%2F", "%00", "%ff", "'; DROP TABLE jobs", "ü", "a%0Ab"]
)
@pytest.mark.parametrize("view", ["MINIMAL", "FULL"])
async def test_an_odd_id_is_not_found(client, id, view) -> None:
    answer = await client.get(f"/tasks/{id}?view={view}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert answer.json()["message"].startswith("task not found: ")
    assert (await client.post(f"/tasks/{id}:cancel")).status_code == 404


async def test_the_message_names_the_unknown_task(client) -> None:
    answer = await client.get("/v1/tasks/unknown")
    assert answer.json()["message"] == "task not found: unknown"
    assert (await client.post("/tasks/unknown:cancel")).json()["message"] == "task not found: unknown"


@pytest.mark.parametrize("path", ["/tasks/x?view=TINY", "/tasks?view=TINY"])
async def test_an_unknown_view_is_refused(client, path) -> None:
    answer = await client.get(path)
    assert answer.status_code == 400
    assert answer.json()["message"] == "view: must be MINIMAL, BASIC or FULL"
    assert answer.json()["details"] == [{"loc": "view", "msg": "must be MINIMAL, BASIC or FULL"}]


async def test_a_bad_task_is_answered_with_all_its_problems(client) -> None:
    answer = await client.post("/tasks", json={"executors": [{}]}, headers={"X-Request-ID": "me-1"})
    assert answer.status_code == 400
    assert answer.json() == {
        "status": 400,
        "error": "validation_failed",
        "message": "executors[0].image: required (and 1 more)",
        "path": "/tasks",
        "request_id": "me-1",
        "details": [
            {"loc": "executors[0].image", "msg": "required"},
            {"loc": "executors[0].command", "msg": "required: a list of strings, the program first"},
        ],
    }
    assert (await client.get("/tasks")).json() == {"tasks": []}


async def test_invalid_json_is_answered_with_its_place(client) -> None:
    answer = await client.post("/tasks", content=b'{"a":\n}')
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert answer.json()["message"] == "invalid JSON at line 2 column 1: invalid character"


async def test_a_request_repeated_with_its_key_creates_one_task(client) -> None:
    headers = {"Idempotency-Key": "abc"}
    first = await client.post("/tasks", json=TASK, headers=headers)
    again = await client.post("/v1/tasks", json=TASK, headers=headers)
    other = await client.post("/tasks", json={**TASK, "name": "other"}, headers=headers)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["error"]) == (409, "conflict")
    assert len((await client.get("/tasks")).json()["tasks"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "k" * 256])
async def test_a_key_that_is_no_word_is_refused(client, key) -> None:
    answer = await client.post("/tasks", json=TASK, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["loc"] == "Idempotency-Key"


async def test_strict_backend_parameters_are_refused_at_once(client) -> None:
    resources = {"backend_parameters": {"INVALID": "PARAMETER"}, "backend_parameters_strict": True}
    answer = await client.post("/tasks", json={**TASK, "resources": resources})
    assert answer.status_code == 400
    assert answer.json()["details"] == [
        {"loc": "resources.backend_parameters", "msg": "backend parameters not supported: INVALID"}
    ]


async def test_a_broken_database_makes_the_service_unavailable(client, store, tmp_path) -> None:
    database = sqlite3.connect(tmp_path / "jobs.db")
    database.execute("ALTER TABLE jobs RENAME TO gone")
    database.close()
    for answer in (await client.get("/tasks"), await client.post("/tasks", json=TASK)):
        assert answer.status_code == 503
        assert answer.json()["error"] == "unavailable"
        assert answer.headers["retry-after"].isdecimal()


_NAMES = st.sampled_from(
    [
        "name",
        "description",
        "inputs",
        "outputs",
        "resources",
        "executors",
        "volumes",
        "tags",
        "url",
        "path",
        "type",
        "content",
        "image",
        "command",
        "env",
        "workdir",
        "cpu_cores",
        "ramGb",
        "zones",
        "backend_parameters",
        "path_prefix",
        "retries",
        "timeout_seconds",
        "x",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["/a", "/a/b", "s3://b/k", "/a/*", "FILE", "1e300", "-1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(_NAMES, _VALUES, max_size=8))
async def test_whatever_is_accepted_can_be_shown_and_nothing_breaks_the_service(client, fields) -> None:
    answer = await client.post("/tasks", content=json.dumps({**TASK, **fields}))
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        for view in ("BASIC", "FULL"):
            shown = await client.get(f"/tasks/{answer.json()['id']}", params={"view": view})
            assert shown.status_code == 200
            assert shown.json()["executors"]
