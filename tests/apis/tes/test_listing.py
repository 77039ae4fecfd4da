"""Pages, filters and their faults (contract tes 1.3, 1.4, 7.4)."""

import pytest

from jobyard.apis.tes.options import TesOptions
from jobyard.domain.state import State

TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


async def create(client, **fields):
    return (await client.post("/tasks", json={**TASK, **fields})).json()["id"]


async def listed(client, query=""):
    answer = await client.get(f"/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["tasks"]]


@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("view", ["MINIMAL", "FULL"])
async def test_pages_hold_each_task_once_newest_first_while_others_arrive(client, page_size, view) -> None:
    ids = [await create(client) for _ in range(6)]
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        query = f"view={view}&page_size={page_size}&page_token={token}"
        page = (await client.get(f"/tasks?{query}")).json()
        assert len(page["tasks"]) == page_size or "next_page_token" not in page
        assert page["tasks"]
        seen += [task["id"] for task in page["tasks"]]
        token = page.get("next_page_token", "")
        pages += 1
        await create(client)
    assert seen == ids[::-1]
    assert pages == -(-6 // page_size)


@pytest.mark.parametrize("view", ["MINIMAL", "BASIC"])
async def test_an_empty_list_is_a_list(client, view) -> None:
    assert (await client.get(f"/tasks?view={view}")).json() == {"tasks": []}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "page_size=",
        "page_size=0",
        "page_size=2048",
        "page_size=100000",
        "page_size=2147483647",
        "limit=x",
        "page_token=",
        "state=",
        "state=UNKNOWN",
        "view=",
        "name_prefix=",
        "view=nonsense&view=BASIC",
        "page_size=abc&page_size=5",
    ],
)
async def test_a_tolerated_query_lists_the_task(client, query) -> None:
    id = await create(client)
    assert await listed(client, query) == [id]


@pytest.mark.parametrize(
    "query, loc, msg",
    [
        ("page_size=abc", "page_size", "must be an integer ≥ 0"),
        ("page_size=1.5", "page_size", "must be an integer ≥ 0"),
        ("page_size=-1", "page_size", "must be an integer ≥ 0"),
        ("page_size=2147483648", "page_size", "must be an integer ≥ 0"),
        ("page_size=99999999999999999999", "page_size", "must be an integer ≥ 0"),
        ("page_token=DotMap()", "page_token", "invalid, or made for other filters: start again without it"),
        ("page_token=%C3%A9", "page_token", "invalid, or made for other filters: start again without it"),
        ("page_token=AAAA", "page_token", "invalid, or made for other filters: start again without it"),
        ("view=BASIC&view=nonsense", "view", "must be MINIMAL, BASIC or FULL"),
        ("tag_value=x", "tag_value", "there are more values than keys"),
        ("tag_key=a&tag_value=x&tag_value=y", "tag_value", "there are more values than keys"),
        ("tag_key=", "tag_key", "must not be empty"),
        ("&".join(f"tag_key=k{i}" for i in range(101)), "tag_key", "there are more than 100"),
    ],
)
async def test_a_fault_of_the_query_is_named(client, query, loc, msg) -> None:
    answer = await client.get(f"/tasks?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"] == f"{loc}: {msg}"
    assert answer.json()["details"] == [{"loc": loc, "msg": msg}]


async def test_an_unknown_state_is_refused_with_the_known_ones(client) -> None:
    answer = await client.get("/tasks?state=DONE")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("state: must be one of UNKNOWN, QUEUED")


@pytest.mark.parametrize("query", ["name_prefix=%ff", "%ff=x", "name_prefix=%C3"])
async def test_a_query_that_is_not_utf_8_is_refused(client, query) -> None:
    answer = await client.get(f"/tasks?{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, "the query string is not UTF-8")


async def test_a_query_of_very_many_parameters_is_refused(client) -> None:
    assert (await client.get("/tasks?" + "&".join(["a=b"] * 1001))).status_code == 400


async def test_a_token_is_for_the_filters_it_was_made_for(client) -> None:
    for _ in range(3):
        await create(client, name="a1", tags={"k": "v"})
    query = "page_size=1&name_prefix=a&tag_key=k"
    token = (await client.get(f"/tasks?{query}")).json()["next_page_token"]
    assert len(await listed(client, f"{query}&page_token={token}")) == 1
    assert len(await listed(client, f"view=FULL&page_size=2&name_prefix=a&tag_key=k&page_token={token}")) == 2
    tampered = token[:5] + ("A" if token[5] != "A" else "B") + token[6:]
    for other in (
        f"name_prefix=b&tag_key=k&page_token={token}",
        f"name_prefix=a&page_token={token}",
        f"state=QUEUED&name_prefix=a&tag_key=k&page_token={token}",
        f"{query}&page_token={tampered}",
    ):
        assert (await client.get(f"/tasks?{other}")).status_code == 400


@pytest.mark.parametrize(
    "wanted, tags, found",
    [
        ({"foo": "bar"}, {"foo": "bar"}, True),
        ({"foo": "bar"}, {"foo": "bat"}, False),
        ({"foo": ""}, {"foo": ""}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar"}, False),
        ({"foo": ""}, {"foo": "bar"}, True),
        ({"foo": ""}, {}, False),
    ],
)
@pytest.mark.parametrize("interleaved", [True, False])
async def test_tags_filter(client, wanted, tags, found, interleaved) -> None:
    id = await create(client, tags=tags)
    keys = [("tag_key", key) for key in wanted]
    values = [("tag_value", value) for value in wanted.values()]
    pairs = [pair for both in zip(keys, values, strict=True) for pair in both]
    answer = await client.get("/tasks", params=pairs if interleaved else keys + values)
    assert [task["id"] for task in answer.json()["tasks"]] == ([id] if found else [])


@pytest.mark.parametrize(
    "query, found",
    [
        ("tag_key=foo&tag_value=bar&tag_key=lorem", True),
        ("tag_key=foo&tag_key=foo&tag_value=bar", True),
        ("tag_key=foo&tag_key=foo&tag_value=&tag_value=bar", True),
        ("tag_key=foo&tag_key=foo&tag_value=bar&tag_value=bat", False),
        ("&".join(["tag_key=foo"] + [f"tag_key=k{i}" for i in range(99)]), False),
    ],
)
async def test_repeated_tag_keys_must_all_hold(client, query, found) -> None:
    id = await create(client, tags={"foo": "bar", "lorem": "ipsum"})
    assert await listed(client, query) == ([id] if found else [])


@pytest.mark.parametrize("prefix", ["a%_", "a.*", "a\\", "A", "ü基"])
async def test_a_name_prefix_is_literal(client, prefix) -> None:
    await create(client, name="abc_x")
    id = await create(client, name=f"{prefix}rest")
    answer = await client.get("/tasks", params={"name_prefix": prefix})
    assert [task["id"] for task in answer.json()["tasks"]] == [id]
    assert (await client.get("/tasks", params={"name_prefix": "rest"})).json() == {"tasks": []}


async def test_states_filter_as_they_are_shown(serve, change) -> None:
    client = await serve(TesOptions())
    exposing = await serve(TesOptions(expose_tes11_states=True))
    queued, running, canceling, preempted = [await create(client) for _ in range(4)]
    for id in (running, canceling, preempted):
        await change(id, lambda job: job.move(State.INITIALIZING))
        await change(id, lambda job: job.move(State.RUNNING))
    await client.post(f"/tasks/{canceling}:cancel")
    await change(preempted, lambda job: job.move(State.PREEMPTED))
    assert await listed(client, "state=QUEUED") == [queued]
    assert await listed(client, "state=running") == [running]
    assert await listed(client, "state=CANCELED&view=BASIC") == [canceling]
    assert await listed(client, "state=SYSTEM_ERROR") == [preempted]
    assert await listed(client, "state=CANCELING") == []
    assert await listed(client, "state=PREEMPTED&view=BASIC") == []
    assert await listed(exposing, "state=CANCELING") == [canceling]
    assert await listed(exposing, "state=PREEMPTED") == [preempted]
    assert await listed(exposing, "state=SYSTEM_ERROR") == []
