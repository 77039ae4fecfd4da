"""Tasks whose files are on a real FTP server."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    # The server for tests is built on them.
    pytest.mark.filterwarnings("ignore:The (asyncore|asynchat) module is deprecated:DeprecationWarning"),
]

USER, PASSWORD = "ada", "ftp-secret-77"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a server of the directory."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(tmp_path), perm="elradfmwMT")
    server = ThreadedFTPServer(("127.0.0.1", 0), type("Own", (FTPHandler,), {"authorizer": authorizer}))
    run = {"timeout": 0.05, "handle_exit": False}
    thread = threading.Thread(target=server.serve_forever, kwargs=run)
    thread.start()
    yield server.address[1]
    server.close_all()
    thread.join()


def test_files_and_directories_come_from_a_server_and_go_to_it(make_instance, port, tmp_path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    server = {"host": "127.0.0.1", "port": port, "user": USER, "password": {"file": str(secret)}}
    instance = make_instance(JOBYARD_FTP__SERVERS=json.dumps([server]))
    instance.start()
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/a b#1%").write_text("1")
    base = f"ftp://127.0.0.1:{port}"
    task = instance.create(
        inputs=[{"path": "/in", "url": f"{base}/in", "type": "DIRECTORY"}],
        outputs=[{"path": "/out", "url": f"{base}/made/here", "type": "DIRECTORY"}],
        volumes=["/out"],
        executors=[
            {
                "image": "none",
                "command": ["sh", "-c", "mkdir -p '/out/x y'; cat '/in/sub/a b#1%' > '/out/x y/z'; env"],
            }
        ],
    )
    ended = instance.wait(task)
    assert ended["state"] == "COMPLETE", ended
    assert (tmp_path / "made/here/x y/z").read_text() == "1"
    assert [output["url"] for output in ended["logs"][0]["outputs"]] == [f"{base}/made/here/x%20y/z"]
    assert PASSWORD not in json.dumps(ended) + instance.log.read_text()
