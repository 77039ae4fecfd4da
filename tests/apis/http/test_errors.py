"""One body for every error, one status for every kind (contract tes 7.1)."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
import structlog
from litestar import get
from litestar.exceptions import HTTPException
from litestar.testing import AsyncTestClient

import jobyard.domain.errors
from jobyard.apis.http.app import build_app
from jobyard.apis.http.errors import CODES, STATUS, status_of
from jobyard.domain.errors import (
    Conflict,
    Denied,
    Failure,
    Fenced,
    Invalid,
    JobyardError,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
)

SECRET = "s3://key:secret@bucket"


def kinds(base: type[JobyardError] = JobyardError) -> Iterator[type[JobyardError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


async def ask(error: Exception, **request):
    @get("/fail")
    async def fail() -> None:
        raise error

    app = build_app(routes=[fail], max_body=1000)
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        return await client.get("/fail", **request)


@pytest.mark.parametrize(
    "kind, status",
    [
        (Invalid, 400),
        (TooLarge, 413),
        (NotFound, 404),
        (Conflict, 409),
        (Denied, 403),
        (Unavailable, 503),
        (Failure, 500),
        (Fenced, 500),
        (JobyardError, 500),
    ],
)
async def test_each_kind_of_error_has_its_status(kind, status) -> None:
    answer = await ask(kind("a sentence"))
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"status", "error", "message", "path", "request_id"}
    assert (body["status"], body["error"], body["path"]) == (status, CODES[status], "/fail")
    assert (body["message"] == "a sentence") is (status != 500)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert answer.headers["content-type"] == "application/json"


def test_every_kind_that_the_domain_has_is_in_the_table_by_itself_or_its_base() -> None:
    of_the_domain = [kind for kind in kinds() if kind.__module__ == jobyard.domain.errors.__name__]
    assert len(of_the_domain) >= 9
    for kind in of_the_domain:
        assert status_of(kind("x")) in CODES
    assert set(STATUS) <= set(of_the_domain)


async def test_problems_are_told_one_by_one_and_at_most_fifty() -> None:
    answer = await ask(Invalid("bad", [Problem(f"a[{i}]", "is bad") for i in range(60)]))
    body = answer.json()
    assert body["error"] == "validation_failed"
    assert len(body["details"]) == 50
    assert body["details"][0] == {"loc": "a[0]", "msg": "is bad"}


async def test_a_bug_is_logged_under_its_request_id_and_nothing_of_it_is_told() -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await ask(RuntimeError(SECRET))
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    [line] = lines
    assert line["request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]
    assert line["path"] == "/fail"
    assert isinstance(line["exc_info"], RuntimeError)


@pytest.mark.parametrize(
    "given, kept", [("a-1.B_2", True), ("a b", False), ("x" * 65, False), ("", False), ("é", False)]
)
async def test_a_request_id_of_the_caller_is_kept_if_it_is_a_word(given, kept) -> None:
    answer = await ask(NotFound("no"), headers={"X-Request-ID": given.encode()})
    assert (answer.json()["request_id"] == given) is kept
    assert answer.json()["request_id"]


async def test_a_text_that_utf_8_cannot_carry_is_still_told() -> None:
    answer = await ask(Invalid("bad \udcff", [Problem("\ud800", "x")]))
    assert answer.json()["message"] == "bad ?"


@pytest.mark.parametrize(
    "status, code",
    [(429, "too_many_requests"), (431, "bad_request"), (502, "internal"), (401, "unauthorized")],
)
async def test_other_statuses_have_the_code_of_their_family(status, code) -> None:
    answer = await ask(HTTPException(detail="so", status_code=status, headers={"X-A": "b"}))
    assert (answer.status_code, answer.json()["error"], answer.headers["x-a"]) == (status, code, "b")


async def test_an_unknown_path_and_a_wrong_method_have_the_one_body() -> None:
    @get("/known")
    async def known() -> None: ...

    async with AsyncTestClient(build_app(routes=[known], max_body=1000)) as client:
        nowhere = await client.get("/nowhere/" + "x" * 2000)
        wrong = await client.post("/known")
    assert (nowhere.status_code, nowhere.json()["message"]) == (404, "there is nothing at this path")
    assert len(nowhere.json()["path"]) == 500
    assert wrong.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert wrong.json()["message"] == "POST is not possible here; the Allow header says what is"
    assert "GET" in wrong.headers["allow"]
