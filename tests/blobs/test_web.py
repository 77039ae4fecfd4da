import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from jobyard.blobs.retry import Retry
from jobyard.blobs.web import Web, is_public
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType

AT_ONCE = Retry(tries=3, pause_s=0)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web(private=True, retry=AT_ONCE)
    yield web
    await web.close()


async def fetched(web: Web, url: str, to: Path) -> bytes:
    fd = os.open(to, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        await web.fetch(url, fd)
    finally:
        os.close(fd)
    return contents(to)


def contents(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_file_arrives_as_it_is_after_redirects(
    web: Web, httpserver: HTTPServer, tmp_path: Path
) -> None:
    data = os.urandom(3_000_000)
    httpserver.expect_request("/from").respond_with_response(
        Response(status=302, headers={"Location": "/to"})
    )
    httpserver.expect_request("/to").respond_with_data(data)
    assert await fetched(web, httpserver.url_for("/from"), tmp_path / "to") == data


async def test_credentials_go_to_the_server_and_into_no_message(
    web: Web, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/a", headers={"Authorization": "Basic dXNlcjpzM2NyZXQ="}).respond_with_data(
        "ok"
    )
    url = httpserver.url_for("/a").replace("://", "://user:s3cret@")
    assert await fetched(web, url, tmp_path / "to") == b"ok"
    with pytest.raises(Failure) as caught:
        await fetched(web, url + "b?X-Amz-Signature=s3cret", tmp_path / "to")
    assert "s3cret" not in str(caught.value)
    assert "***@" in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_again(
    web: Web, httpserver: HTTPServer, tmp_path: Path, status: int
) -> None:
    answers = iter([Response("long and bad", status=status), Response("ok")])
    httpserver.expect_request("/a").respond_with_handler(lambda _: next(answers))
    assert await fetched(web, httpserver.url_for("/a"), tmp_path / "to") == b"ok"


async def test_what_does_not_pass_fails_as_passing(web: Web, httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=503)
    with pytest.raises(Failure, match="503") as caught:
        await fetched(web, httpserver.url_for("/a"), tmp_path / "to")
    assert caught.value.passing
    assert len(httpserver.log) == AT_ONCE.tries


@pytest.mark.parametrize("status", [401, 403, 404, 410, 501])
async def test_what_will_not_pass_is_tried_once(
    web: Web, httpserver: HTTPServer, tmp_path: Path, status: int
) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=status)
    with pytest.raises(Failure, match=str(status)) as caught:
        await fetched(web, httpserver.url_for("/a"), tmp_path / "to")
    assert not caught.value.passing
    assert len(httpserver.log) == 1


async def test_a_connection_lost_half_way_begins_again(
    web: Web, httpserver: HTTPServer, tmp_path: Path
) -> None:
    def cut(_: Request) -> Response:
        if httpserver.log:
            return Response(b"whole")
        return Response(iter([b"half"]), headers={"Content-Length": "8"})

    httpserver.expect_request("/a").respond_with_handler(cut)
    assert await fetched(web, httpserver.url_for("/a"), tmp_path / "to") == b"whole"


async def test_nobody_listening_is_passing(web: Web, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="connection failed") as caught:
        await fetched(web, "http://127.0.0.1:9/a", tmp_path / "to")
    assert caught.value.passing


async def test_redirects_have_an_end(web: Web, httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/a").respond_with_response(Response(status=302, headers={"Location": "/a"}))
    with pytest.raises(Failure, match="redirects"):
        await fetched(web, httpserver.url_for("/a"), tmp_path / "to")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "http://"])
async def test_a_redirect_leads_to_no_other_scheme(
    web: Web, httpserver: HTTPServer, tmp_path: Path, target: str
) -> None:
    httpserver.expect_request("/a").respond_with_response(Response(status=302, headers={"Location": target}))
    with pytest.raises(Failure):
        await fetched(web, httpserver.url_for("/a"), tmp_path / "to")


async def test_private_addresses_are_refused_unless_allowed(httpserver: HTTPServer, tmp_path: Path) -> None:
    web = Web(private=False, retry=AT_ONCE)
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"):
        with pytest.raises(Failure, match="private address") as caught:
            await fetched(web, f"http://{host}:{httpserver.port}/a", tmp_path / "to")
        assert not caught.value.passing
    assert not httpserver.log
    await web.close()


async def test_a_connection_goes_to_the_address_that_was_checked_and_a_redirect_is_checked_again(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    asked = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    elsewhere = Response(status=302, headers={"Location": f"http://two.example:{httpserver.port}/b"})
    httpserver.expect_request("/a", headers={"Host": f"one.example:{httpserver.port}"}).respond_with_response(
        elsewhere
    )
    httpserver.expect_request("/b", headers={"Host": f"two.example:{httpserver.port}"}).respond_with_data(
        "ok"
    )
    web = Web(private=True, retry=AT_ONCE, resolve=resolve)
    assert await fetched(web, f"http://one.example:{httpserver.port}/a", tmp_path / "to") == b"ok"
    assert asked == ["one.example", "two.example"]
    await web.close()


@pytest.mark.parametrize(
    "address, public",
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.2", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_directories_cannot_be_read(web: Web) -> None:
    with pytest.raises(Failure, match="directory"):
        web.check("https://example.org/d/", FileType.DIRECTORY)
    with pytest.raises(Failure, match="directory"):
        await web.list("https://example.org/d/")
