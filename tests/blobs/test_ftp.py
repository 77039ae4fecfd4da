"""Files on a real FTP server, in the clear and with TLS."""

import hashlib
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aioftp
import pytest
import trustme

from jobyard.blobs.ftp import Ftp
from jobyard.blobs.hosts import Server, Tls
from jobyard.blobs.retry import Retry
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType

pytestmark = [
    pytest.mark.slow,
    # The server for tests is built on them.
    pytest.mark.filterwarnings("ignore:The (asyncore|asynchat) module is deprecated:DeprecationWarning"),
]

AT_ONCE = Retry(tries=2, pause_s=0)
USER, PASSWORD = "ada", "ftp-secret-77"


@dataclass
class Files:
    """A server of a directory."""

    root: Path
    port: int
    ca_file: Path | None = None

    def blobs(self, *, tls: Tls = "none", password: str = PASSWORD) -> Ftp:
        server = Server(host="localhost", port=self.port, tls=tls, user=USER, password=password)
        return Ftp([server], ca_file=self.ca_file, retry=AT_ONCE)

    def url(self, path: str, scheme: str = "ftp") -> str:
        return f"{scheme}://localhost:{self.port}/{path}"

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    from pyftpdlib.handlers import FTPHandler

    with serving(FTPHandler, tmp_path) as files:
        yield files


@pytest.fixture
def tls_files(tmp_path: Path) -> Iterator[Files]:
    from pyftpdlib.handlers import TLS_FTPHandler

    ca_file, certificate = certified(tmp_path)

    class Handler(TLS_FTPHandler):
        certfile = str(certificate)
        tls_control_required = True
        tls_data_required = True

    with serving(Handler, tmp_path) as files:
        files.ca_file = ca_file
        yield files


class serving:  # noqa: N801 - used like a function
    """The server, in a thread of its own."""

    def __init__(self, handler: type, directory: Path) -> None:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.servers import ThreadedFTPServer

        root = directory / "ftp"
        root.mkdir()
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
        own = type("Own", (handler,), {"authorizer": authorizer, "auth_failed_timeout": 0})
        self.server = ThreadedFTPServer(("127.0.0.1", 0), own)
        self.files = Files(root=root, port=self.server.address[1])
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}
        )

    def __enter__(self) -> Files:
        self.thread.start()
        return self.files

    def __exit__(self, *_: object) -> None:
        self.server.close_all()
        self.thread.join()


def certified(directory: Path) -> tuple[Path, Path]:
    """An authority, and the certificate of a server with its key."""
    certificate, ca_file = directory / "server.pem", directory / "ca.pem"
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(ca_file)
    return ca_file, certificate


async def fetched(blobs: Ftp, url: str, to: Path) -> bytes:
    fd = os.open(to, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        await blobs.fetch(url, fd)
    finally:
        os.close(fd)
    return contents(to)


async def stored(blobs: Ftp, url: str, data: bytes, at: Path) -> tuple[int, str]:
    write(at, data)
    fd = os.open(at, os.O_RDONLY)
    try:
        return await blobs.put(url, fd)
    finally:
        os.close(fd)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
async def test_a_file_comes_back_as_it_was_stored_and_nothing_lies_beside_it(files, tmp_path, size) -> None:
    data = os.urandom(size)
    blobs, url = files.blobs(), files.url("new/dir/a%20b%23.bin")
    digest = hashlib.sha256(data).hexdigest()
    assert await stored(blobs, url, b"before", tmp_path / "from") == (
        6,
        hashlib.sha256(b"before").hexdigest(),
    )
    assert await stored(blobs, url, data, tmp_path / "from") == (size, digest)
    assert below(files.root) == ["new", "new/dir", "new/dir/a b#.bin"]
    assert await fetched(blobs, url, tmp_path / "to") == data


async def test_a_directory_is_listed_with_parents_first(files) -> None:
    files.put("tree/sub/deep/x", b"1")
    files.put("tree/a b", b"2")
    (files.root / "tree/empty").mkdir()
    listed = await files.blobs().list(files.url("tree/"))
    assert set(listed) == {
        ("a b", FileType.FILE),
        ("empty", FileType.DIRECTORY),
        ("sub", FileType.DIRECTORY),
        ("sub/deep", FileType.DIRECTORY),
        ("sub/deep/x", FileType.FILE),
    }
    names = [name for name, _ in listed]
    assert names.index("sub") < names.index("sub/deep") < names.index("sub/deep/x")


async def test_a_missing_file_is_told_and_not_tried_again(files, tmp_path) -> None:
    with pytest.raises(Failure) as raised:
        await fetched(files.blobs(), files.url("nothing"), tmp_path / "to")
    assert (
        str(raised.value) == f"{files.url('nothing')}: the server has no such file, or refuses access to it"
    )
    assert not raised.value.passing


async def test_the_login_of_a_url_wins_and_is_never_shown(files, tmp_path) -> None:
    files.put("x", b"1")
    mine = files.url("x").replace("//", f"//{USER}:{PASSWORD}@")
    assert await fetched(files.blobs(password="wrong"), mine, tmp_path / "to") == b"1"
    with pytest.raises(Failure) as raised:
        await fetched(files.blobs(), mine.replace(PASSWORD, "guess"), tmp_path / "to")
    assert "refuses the login" in str(raised.value)
    assert "guess" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


async def test_a_server_that_is_away_may_come_back(tmp_path) -> None:
    blobs = Ftp([Server(host="127.0.0.1", port=1)], retry=AT_ONCE)
    with pytest.raises(Failure) as raised:
        await fetched(blobs, "ftp://127.0.0.1:1/x", tmp_path / "to")
    assert str(raised.value) == "ftp://127.0.0.1:1/x: the connection failed or was lost"
    assert raised.value.passing


@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
async def test_files_go_both_ways_with_tls(tls_files, tmp_path, scheme) -> None:
    blobs, url = tls_files.blobs(tls="explicit"), tls_files.url("dir/x", scheme)
    data = os.urandom(300_000)
    await stored(blobs, url, data, tmp_path / "from")
    assert (tls_files.root / "dir/x").read_bytes() == data
    assert await fetched(blobs, url, tmp_path / "to") == data
    assert await blobs.list(tls_files.url("dir", scheme)) == [("x", FileType.FILE)]


async def test_files_go_both_ways_with_tls_from_the_first_byte(tmp_path) -> None:
    ca_file, certificate = certified(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    users = [aioftp.User(USER, PASSWORD, base_path=tmp_path)]
    server = aioftp.Server(users, ssl=context, ipv4_pasv_forced_response_address="127.0.0.1")
    await server.start("127.0.0.1")
    try:
        files = Files(root=tmp_path, port=server.server_port, ca_file=ca_file)
        blobs, url = files.blobs(tls="implicit"), files.url("x", "ftps")
        await stored(blobs, url, b"data", tmp_path / "from")
        assert await fetched(blobs, url, tmp_path / "to") == b"data"
    finally:
        await server.close()


async def test_a_connection_that_breaks_is_tried_again(tmp_path) -> None:
    from pyftpdlib.handlers import FTPHandler

    class Handler(FTPHandler):
        broken = 0

        def ftp_RETR(self, file: str) -> None:  # noqa: N802 - as the server calls it
            if not Handler.broken:
                Handler.broken += 1
                self.close()
            else:
                super().ftp_RETR(file)

    with serving(Handler, tmp_path) as files:
        files.put("x", b"data")
        assert await fetched(files.blobs(), files.url("x"), tmp_path / "to") == b"data"
        assert Handler.broken == 1


async def test_a_certificate_of_a_stranger_is_refused(tls_files, tmp_path) -> None:
    tls_files.ca_file = None
    with pytest.raises(Failure) as raised:
        await fetched(tls_files.blobs(tls="explicit"), tls_files.url("x"), tmp_path / "to")
    assert "certificate is not trusted" in str(raised.value)
    assert not raised.value.passing


@pytest.mark.parametrize(
    "url", ["ftp://elsewhere/x", "ftp://localhost/x", "ftp://localhost:99999/x", "ftps://localhost:2121/x"]
)
def test_other_servers_are_not_configured(url) -> None:
    blobs = Ftp([Server(host="localhost", port=2121)])
    with pytest.raises(Failure, match=r"configured|no URL"):
        blobs.check(url, FileType.FILE)


@pytest.mark.parametrize("path", ["dir/", "", "a/../b", "a%0D%0ADELE%20b", "%ff"])
def test_paths_that_cannot_be_asked_for_are_refused(path) -> None:
    blobs = Ftp([Server(host="localhost", port=21)])
    with pytest.raises(Failure):
        blobs.check_write(f"ftp://localhost/{path}")
