"""The client against servers of all kinds."""

import json
from datetime import timedelta

import pytest
from werkzeug import Response

from jobyard.cli.client import Filters, TesClient
from jobyard.cli.states import View
from jobyard.cli.wire import task_of
from jobyard.domain.errors import Conflict, Denied, Invalid, JobyardError, NotFound, TooLarge, Unavailable


@pytest.fixture
def client(tes):
    with TesClient(tes.url, patience=timedelta(seconds=5)) as client:
        yield client


@pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/v1", ""])
def test_the_api_is_found_where_it_is_and_only_once(tes, client, base):
    tes.base = base
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    assert client.get("a") == {"id": "a", "state": "RUNNING"}
    asked = len(tes.requests)
    client.get("a")
    assert [request.path for request in tes.requests[asked:]] == [f"{base}/tasks/a"]


@pytest.mark.parametrize("path", ["ga4gh/tes/v1", "ga4gh/tes/v1/", "v1", "ga4gh/tes/", "", "//"])
def test_the_url_may_have_the_path_of_the_api(tes, path):
    tes.base = "/v1" if path == "v1" else "/ga4gh/tes/v1"
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    with TesClient(tes.url + path) as client:
        assert client.get("a")["state"] == "RUNNING"


def test_a_task_that_is_nowhere_is_not_found_in_the_words_of_the_server(tes, client):
    tes.base = "/v1"
    with pytest.raises(NotFound, match="no task missing"):
        client.get("missing")


@pytest.mark.parametrize(
    "status,kind",
    [(400, Invalid), (401, Denied), (403, Denied), (409, Conflict), (413, TooLarge), (500, JobyardError)],
)
def test_other_answers_than_not_found_are_final(tes, client, status, kind):
    tes.failing = [Response(json.dumps({"message": "because"}), status)]
    with pytest.raises(kind, match="because"):
        client.get("a")
    assert len(tes.requests) == 1


def test_an_answer_that_is_not_json_is_told_by_its_status(tes, client):
    tes.failing = [Response("<html>oops", 500)]
    with pytest.raises(JobyardError, match="answered 500 INTERNAL SERVER ERROR"):
        client.get("a")


def test_reads_are_tried_again_while_the_server_is_busy(tes, client):
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    tes.failing = [Response("", 503), Response("", 429)]
    assert client.get("a")["state"] == "RUNNING"


def test_a_task_is_never_sent_twice(tes, client):
    tes.failing = [Response("", 503)]
    with pytest.raises(Unavailable):
        client.create({"executors": []})
    assert [request.method for request in tes.requests] == ["POST"]


def test_an_unreachable_server_is_named_without_its_password():
    client = TesClient("http://me:secret@127.0.0.1:9", patience=timedelta(0))
    with client, pytest.raises(Unavailable, match="cannot reach") as raised:
        client.get("a")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://"])
def test_what_is_no_server_address_is_refused(url):
    with TesClient(url) as client, pytest.raises(Invalid, match="no server address"):
        client.get("a")


@pytest.mark.parametrize("body", ["[]", "hello", "{"])
def test_an_answer_that_is_not_an_object_is_an_error_that_names_the_server(tes, client, body):
    tes.failing = [Response(body)]
    with pytest.raises(JobyardError, match="is it a TES server"):
        client.get("a")


def test_a_task_that_does_not_follow_the_standard_is_an_error():
    with pytest.raises(JobyardError, match=r"\$\.logs"):
        task_of({"id": "a", "logs": "none"})


def test_a_token_is_sent_as_a_bearer(tes):
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    with TesClient(tes.url, token="t0ken") as client:
        client.get("a")
    assert tes.requests[0].headers["Authorization"] == "Bearer t0ken"


def test_an_id_cannot_leave_its_place_in_the_path(tes, client):
    with pytest.raises(NotFound):
        client.get("../service-info?view=FULL")
    assert tes.requests[0].path.startswith("/ga4gh/tes/v1/tasks/")


def test_pages_follow_each_other_until_there_is_no_token(tes, client):
    tes.tasks = {f"t{number}": [{}] for number in range(5)}
    tasks = list(client.tasks(Filters(), View.MINIMAL, page_size=2))
    assert [task["id"] for task in tasks] == ["t0", "t1", "t2", "t3", "t4"]
    assert len(tes.requests) == 3
