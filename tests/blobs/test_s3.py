"""Objects, in a real S3 service."""

import asyncio
import hashlib
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from jobyard.blobs.keys import Endpoint
from jobyard.blobs.objects import ObjectStorage
from jobyard.blobs.retry import Retry
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType

pytestmark = pytest.mark.slow

SOON = Retry(tries=3, pause_s=0.001)
KEYS = [
    "a b.txt",
    "ünï.txt",
    "50%.txt",
    "%41.txt",
    "a#b",
    "a+b",
    "a?b",
    "a*b",
    "~x",
    "[x]",
    '"q"',
    "x@y:z",
    ".h",
]


@pytest.fixture
def storage(bucket) -> ObjectStorage:
    return ObjectStorage([endpoint(bucket)], retry=SOON)


def endpoint(bucket, **changes: object) -> Endpoint:
    access, secret = bucket.keys
    values = {"name": "test", "url": bucket.url, "access_key": access, "secret_key": secret}
    return Endpoint(**values | changes)


async def fetched(storage: ObjectStorage, url: str, to: Path) -> bytes:
    fd = os.open(to, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        await storage.fetch(url, fd)
    finally:
        os.close(fd)
    return contents(to)


async def stored(storage: ObjectStorage, url: str, data: bytes, at: Path) -> tuple[int, str]:
    write(at, data)
    fd = os.open(at, os.O_RDONLY)
    try:
        return await storage.put(url, fd)
    finally:
        os.close(fd)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def uploads(bucket) -> list[str]:
    """Keys of the objects of which there are parts."""
    return [it["Key"] for it in bucket.client.list_multipart_uploads(Bucket="jobs").get("Uploads", ())]


async def refused(action) -> Failure:
    with pytest.raises(Failure) as raised:
        await action
    return raised.value


@pytest.mark.parametrize("size", [0, 1, 8 * 1024**2, 20_000_001])
async def test_a_file_comes_back_as_it_was_stored(storage, bucket, tmp_path, size) -> None:
    data = os.urandom(size)
    url = f"s3://jobs/whole/{size}"
    assert await stored(storage, url, data, tmp_path / "from") == (size, hashlib.sha256(data).hexdigest())
    assert bucket.get(f"whole/{size}") == data
    assert await fetched(storage, url, tmp_path / "to") == data
    assert await fetched(storage, url.replace("jobs", f"{bucket.url[7:]}/jobs"), tmp_path / "to") == data


@pytest.mark.parametrize("key", KEYS)
async def test_keys_are_taken_as_they_stand(storage, bucket, tmp_path, key) -> None:
    url = bucket.put(f"read/{key}", key.encode())
    assert await fetched(storage, url, tmp_path / "to") == key.encode()
    await stored(storage, f"s3://jobs/written/{key}", b"new", tmp_path / "from")
    assert bucket.get(f"written/{key}") == b"new"


async def test_a_directory_is_listed_with_parents_first_and_markers_are_directories(storage, bucket) -> None:
    for key in ("tree/", "tree/empty/", "tree/sub/", "tree/sub/deep/x", "tree/none"):
        bucket.put(key)
    bucket.put("tree2/not")
    listed = await storage.list("s3://jobs/tree/")
    assert listed == [
        ("empty", FileType.DIRECTORY),
        ("none", FileType.FILE),
        ("sub", FileType.DIRECTORY),
        ("sub/deep", FileType.DIRECTORY),
        ("sub/deep/x", FileType.FILE),
    ]
    assert await storage.list("s3://jobs/tree") == listed
    assert await storage.list("s3://jobs/tree/empty") == []


async def test_more_keys_than_a_page_holds_are_listed(storage, bucket) -> None:
    for number in range(1005):
        bucket.put(f"many/{number:04}", b"x")
    listed = await storage.list("s3://jobs/many")
    assert listed == [(f"{number:04}", FileType.FILE) for number in range(1005)]


async def test_what_is_not_there_is_told_and_not_tried_again(storage, tmp_path) -> None:
    missing = await refused(fetched(storage, "s3://jobs/nothing", tmp_path / "to"))
    assert str(missing) == "s3://jobs/nothing: the endpoint test ([s3]) has no such object"
    empty = await refused(storage.list("s3://jobs/nothing/"))
    assert str(empty) == "s3://jobs/nothing/: there are no objects below it"
    for action in (
        fetched(storage, "s3://elsewhere/x", tmp_path / "to"),
        storage.list("s3://elsewhere/x"),
        stored(storage, "s3://elsewhere/x", b"x", tmp_path / "from"),
    ):
        failure = await refused(action)
        assert "has no bucket elsewhere" in str(failure)
        assert not failure.passing


async def test_refused_keys_are_told_without_being_shown(bucket, tmp_path) -> None:
    bucket.put("seen", b"x")
    access, secret = bucket.reader_keys
    reader = ObjectStorage([endpoint(bucket, access_key=access, secret_key=secret)], retry=SOON)
    assert await fetched(reader, "s3://jobs/seen", tmp_path / "to") == b"x"
    wrong = ObjectStorage([endpoint(bucket, secret_key="wrong-secret")], retry=SOON)
    nobody = ObjectStorage([endpoint(bucket, access_key=None, secret_key=None)], retry=SOON)
    for storage, reason in (
        (reader, "with the configured keys: AccessDenied"),
        (wrong, "with the configured keys: SignatureDoesNotMatch"),
        (nobody, "without keys: AccessDenied"),
    ):
        failure = await refused(stored(storage, "s3://jobs/seen", b"y", tmp_path / "from"))
        assert str(failure) == f"s3://jobs/seen: the endpoint test ([s3]) refuses access {reason}"
        assert not failure.passing
    assert bucket.get("seen") == b"x"


async def test_a_cancelled_upload_leaves_nothing_behind(storage, bucket, tmp_path) -> None:
    uploading = asyncio.ensure_future(
        stored(storage, "s3://jobs/cancelled", os.urandom(60_000_000), tmp_path / "from")
    )
    async with asyncio.timeout(30):
        while not uploads(bucket):  # noqa: ASYNC110 - the service tells nobody that one has begun
            await asyncio.sleep(0.005)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert uploads(bucket) == []
    assert bucket.keys_below("cancelled") == []


class Flaky:
    """Gives an object, after it has failed as often as it was told to."""

    def __init__(self, data: bytes, failures: int, status: int) -> None:
        self.data, self.failures, self.status = data, failures, status

    def __call__(self, _: Request) -> Response:
        if self.failures:
            self.failures -= 1
            return Response(status=self.status)
        headers = {"ETag": '"x"', "Last-Modified": "Tue, 24 Nov 2026 10:00:00 GMT"}
        return Response(self.data, headers=headers)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_again(httpserver: HTTPServer, tmp_path, status) -> None:
    storage = ObjectStorage([Endpoint(name="test", url=httpserver.url_for("").rstrip("/"))], retry=SOON)
    httpserver.expect_request("/jobs/x").respond_with_handler(Flaky(b"data", 2, status))
    assert await fetched(storage, "s3://jobs/x", tmp_path / "to") == b"data"
    httpserver.expect_request("/jobs/y").respond_with_handler(Flaky(b"data", 3, status))
    failure = await refused(fetched(storage, "s3://jobs/y", tmp_path / "to"))
    assert str(failure) == f"s3://jobs/y: the endpoint test ([s3]) answered {status}"
    assert failure.passing


async def test_a_service_that_is_away_may_come_back(tmp_path) -> None:
    storage = ObjectStorage([Endpoint(name="test", url="http://127.0.0.1:1")], retry=SOON)
    failure = await refused(fetched(storage, "s3://jobs/x", tmp_path / "to"))
    assert (
        str(failure) == "s3://jobs/x: the endpoint test ([s3]) cannot be reached, or the connection was lost"
    )
    assert failure.passing


async def test_a_bucket_in_another_region_is_told(httpserver: HTTPServer, tmp_path) -> None:
    storage = ObjectStorage([Endpoint(name="test", url=httpserver.url_for("").rstrip("/"))], retry=SOON)
    httpserver.expect_request("/jobs/x").respond_with_data(status=301)
    failure = await refused(fetched(storage, "s3://jobs/x", tmp_path / "to"))
    assert "has the bucket elsewhere: look at `region`" in str(failure)
    assert not failure.passing


async def test_certificates_count_if_their_authority_is_configured(tmp_path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = authority.cert_pem.bytes()
    with HTTPServer(host="localhost", ssl_context=context) as server:
        server.expect_request("/jobs/x").respond_with_handler(Flaky(b"data", 0, 500))
        url = server.url_for("").rstrip("/")
        storage = ObjectStorage([Endpoint(name="test", url=url, authorities=trusted)], retry=SOON)
        assert await fetched(storage, "s3://jobs/x", tmp_path / "to") == b"data"
        stranger = ObjectStorage([Endpoint(name="test", url=url)], retry=SOON)
        failure = await refused(fetched(stranger, "s3://jobs/x", tmp_path / "to"))
    assert "certificate of the endpoint test ([s3]) is not trusted" in str(failure)
    assert not failure.passing


class Breaking(BaseHTTPRequestHandler):
    """Gives half of an object, and the rest to whoever asks for it."""

    data = os.urandom(1_000_000)

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(self.data) - begin))
        self.send_header("Content-Range", f"bytes {begin}-{len(self.data) - 1}/{len(self.data)}")
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(self.data[begin:] if asked else self.data[:500_000])

    def log_message(self, *_: object) -> None:
        """Quiet."""


async def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        storage = ObjectStorage([Endpoint(name="test", url=url)], retry=SOON)
        assert await fetched(storage, "s3://jobs/x", tmp_path / "to") == Breaking.data
        server.shutdown()
        thread.join()
