"""Web pages of others cannot use a service that asks nobody for a login; programs are not hindered."""

import pytest
from litestar import get, post
from litestar.testing import AsyncTestClient

from jobyard.apis.http.app import build_app

PORT = 8080


@get("/thing")
async def look() -> dict[str, str]:
    return {}


@post("/thing")
async def change() -> dict[str, str]:
    return {}


def client(names: tuple[str, ...] | None) -> AsyncTestClient:
    return AsyncTestClient(build_app(routes=[look, change], max_body=1000, names=names))


@pytest.mark.parametrize(
    "host",
    ["localhost", f"localhost:{PORT}", f"127.0.0.1:{PORT}", f"[::1]:{PORT}", "LOCALHOST", "jobs.localhost:1"],
)
async def test_a_local_name_or_an_address_is_answered(host: str) -> None:
    async with client(()) as http:
        assert (await http.get("/thing", headers={"Host": host})).status_code == 200
        assert (await http.post("/thing", headers={"Host": host})).status_code == 201


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "localhost.evil.example", "[::1", "[]"]
)
async def test_a_name_that_a_page_could_choose_is_refused(host: str) -> None:
    async with client(("jobs.example.org",)) as http:
        answer = await http.get("/thing", headers={"Host": host})
        assert answer.status_code == 403
        assert answer.json()["error"] == "forbidden"
        assert "server.allowed_hosts" in answer.json()["message"]


async def test_the_name_of_a_proxy_is_allowed_by_configuration() -> None:
    async with client(("Jobs.example.org",)) as http:
        assert (await http.get("/thing", headers={"Host": "jobs.example.org"})).status_code == 200


async def test_any_name_is_allowed_where_the_service_is_open_to_others() -> None:
    async with client(None) as http:
        assert (await http.get("/thing", headers={"Host": "any.example"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{PORT + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_cannot_change_anything(headers: dict[str, str]) -> None:
    async with client(()) as http:
        answer = await http.post("/thing", headers={"Host": f"localhost:{PORT}", **headers})
        assert answer.status_code == 403
        assert answer.json()["error"] == "forbidden"


async def test_the_services_own_pages_and_programs_can() -> None:
    own = {"Origin": f"http://localhost:{PORT}", "Sec-Fetch-Site": "same-origin"}
    async with client(()) as http:
        for headers in ({}, own, {"Sec-Fetch-Site": "none"}):
            answer = await http.post("/thing", headers={"Host": f"localhost:{PORT}", **headers})
            assert answer.status_code == 201
