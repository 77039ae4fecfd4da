"""What operators and browsers ask: health, metrics, the front page, the docs."""

import json
import re

import pytest
from litestar.testing import AsyncTestClient

from jobyard.apis.http.app import build_app
from jobyard.apis.http.operations import operation_routes
from jobyard.domain.errors import Unavailable


async def test_a_live_and_ready_service_says_so(client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_service_that_is_not_ready_says_why_and_is_still_alive() -> None:
    async def ready() -> None:
        raise Unavailable("the database cannot be read now")

    async def metrics() -> tuple[bytes, str]:
        return b"", "text/plain"

    app = build_app(routes=operation_routes(ready=ready, metrics=metrics), max_body=1000)
    async with AsyncTestClient(app) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert answer.json()["message"] == "the database cannot be read now"
        assert "retry-after" in answer.headers
        assert (await client.get("/healthz")).status_code == 200


async def test_metrics_are_served_as_they_are_given(client) -> None:
    answer = await client.get("/metrics")
    assert answer.text == "jobs 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_the_front_page_lists_places_and_escapes_what_it_is_given(client) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<h1>Jobyard &lt;&amp;&gt;</h1>" in answer.text
    assert '<a href="/docs">' in answer.text


async def test_the_docs_work_without_the_network(client) -> None:
    page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert not re.search(r"<script>|on\w+=", page.text)
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert link.startswith("/docs/")
        answer = await client.get(link)
        assert answer.status_code == 200
        assert answer.content
    assert "../openapi.json" in (await client.get("/docs/start.js")).text


@pytest.mark.parametrize("name", ["index.html", "..%2F..%2F__init__.py", "%2e%2e", "swagger-ui.js.map", "x"])
async def test_no_other_file_is_served(client, name) -> None:
    assert (await client.get(f"/docs/{name}")).status_code == 404


async def test_the_description_is_served_as_json(client) -> None:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content)["openapi"] == "3.0.3"
