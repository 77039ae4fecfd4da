"""Inputs arrive as they were, and outputs go where they should."""

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobyard.blobs.disk import Disk
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, Input, Output, StoredOutput
from jobyard.staging.staging import Staging


@dataclass
class Told:
    lines: list[str] = field(default_factory=list)
    outputs: list[StoredOutput] = field(default_factory=list)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def stored(self, output: StoredOutput) -> None:
        self.outputs.append(output)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "storage"
    path.mkdir()
    return path


@pytest.fixture
def view(tmp_path: Path) -> Path:
    path = tmp_path / "view"
    path.mkdir()
    return path


@pytest.fixture
def staging(root: Path) -> Staging:
    disk = Disk([root])
    return Staging(sources={"file": disk}, sinks={"file": disk}, transfers=3)


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def test_contents_and_files_arrive_and_are_counted(staging: Staging, root: Path, view: Path) -> None:
    put(root, source="file")
    told = Told()
    inputs = (Input(path="/a/x", content="é"), Input(path="/a/y", url=(root / "source").as_uri()))
    await staging.bring(inputs, view, told)
    assert [(view / "a" / name).read_text() for name in "xy"] == ["é", "file"]
    assert told.lines == ["staged 2 input files, 6 bytes"]


async def test_a_directory_arrives_whole(staging: Staging, root: Path, view: Path) -> None:
    put(root, d__a="1", d__b__c="2", d__x="#!")
    (root / "d" / "empty").mkdir()
    (root / "d" / "sp ace%41").write_text("3")
    (root / "d" / "link").symlink_to("a")
    (root / "d" / "x").chmod(0o755)
    for url in ((root / "d").as_uri(), str(root / "d") + "/"):
        await staging.bring((Input(path="/in", url=url, type=FileType.DIRECTORY),), view, Told())
        assert {str(p.relative_to(view)): p.is_dir() or p.read_text() for p in (view / "in").rglob("*")} == {
            "in/a": "1",
            "in/b": True,
            "in/b/c": "2",
            "in/empty": True,
            "in/link": "1",
            "in/sp ace%41": "3",
            "in/x": "#!",
        }
        assert os.access(view / "in/x", os.X_OK)


async def test_a_missing_input_among_others_is_named(staging: Staging, root: Path, view: Path) -> None:
    for n in range(4):
        (root / f"there{n}").write_text("x")
    names = ["there0", "there1", "none", "there2", "there3"]
    inputs = tuple(Input(path=f"/in/{name}", url=(root / name).as_uri()) for name in names)
    with pytest.raises(Failure, match="none: No such file") as caught:
        await staging.bring(inputs, view, Told())
    assert not caught.value.passing


@pytest.mark.parametrize(
    "url, words",
    [
        (
            "s3://k:secret@b/x",
            "s3://\\*\\*\\*@b/x: URL storage not configured: s3; what can be read here: file",
        ),
        ("weird", "no scheme"),
        ("file:///etc/passwd", "not beneath a directory"),
        ("/etc/passwd", "not beneath a directory"),
    ],
)
def test_a_url_that_cannot_be_served_is_refused_at_once(staging: Staging, url: str, words: str) -> None:
    with pytest.raises(Failure, match=words):
        staging.check([Input(path="/a", url=url)], [])


def made(view: Path, *names: str) -> None:
    for name in names:
        path = view / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.mark.parametrize(
    "path, prefix, stored",
    [
        ("/d/*.txt", "/d", {"/d/a.txt": "a.txt", "/d/b.txt": "b.txt"}),
        ("/d/*.txt", "/d/", {"/d/a.txt": "a.txt", "/d/b.txt": "b.txt"}),
        ("/d/s/*", "/d", {"/d/s/a.txt": "s/a.txt", "/d/s/t/u": "s/t/u"}),
        ("/d/[ab].*", "/d", {"/d/a.txt": "a.txt", "/d/b.txt": "b.txt"}),
        ("/d/*/a.txt", "/d", {"/d/s/a.txt": "s/a.txt"}),
        ("/d/x[1].q", "/d", {"/d/x[1].q": "x[1].q"}),
        ("/d/*.none", "/d", {}),
        ("/none/*", "/none", {}),
    ],
)
async def test_wildcards(
    staging: Staging, root: Path, view: Path, path: str, prefix: str, stored: dict[str, str]
) -> None:
    made(view, "d/a.txt", "d/b.txt", "d/.h.txt", "d/s/a.txt", "d/s/t/u", "d/x[1].q")
    told = Told()
    output = Output(path=path, url=str(root / "out"), path_prefix=prefix)
    await staging.store((output,), view, told, missing_ok=False)
    assert {out.path: out.url.removeprefix(f"{root}/out/") for out in told.outputs} == stored
    for job_path, name in stored.items():
        assert (root / "out" / name).read_text() == job_path.lstrip("/")
    assert [f"warning: {path}: matches nothing"] == told.lines or stored


async def test_a_directory_is_stored_file_by_file_with_sizes_and_checksums(
    staging: Staging, root: Path, view: Path
) -> None:
    made(view, "d/a", "d/s/b%", "d/s/c d")
    told = Told()
    output = Output(path="/d", url=(root / "new" / "out").as_uri() + "/", type=FileType.DIRECTORY)
    await staging.store((output,), view, told, missing_ok=False)
    assert sorted((out.path, out.size) for out in told.outputs) == [
        ("/d/a", 3),
        ("/d/s/b%", 6),
        ("/d/s/c d", 7),
    ]
    assert {out.sha256 for out in told.outputs} == {
        hashlib.sha256(name).hexdigest() for name in (b"d/a", b"d/s/b%", b"d/s/c d")
    }
    assert (root / "new/out/s/b%").read_text() == "d/s/b%"
    assert {out.url for out in told.outputs} == {
        (root / "new/out" / name).as_uri() for name in ("a", "s/b%", "s/c d")
    }


async def test_an_empty_directory_is_a_warning(staging: Staging, root: Path, view: Path) -> None:
    (view / "d").mkdir()
    told = Told()
    output = Output(path="/d", url=str(root / "out"), type=FileType.DIRECTORY)
    await staging.store((output,), view, told, missing_ok=False)
    assert told.lines == ["warning: /d: the directory is empty"]


async def test_what_is_not_as_declared_fails_after_the_others_are_stored(
    staging: Staging, root: Path, view: Path
) -> None:
    made(view, "d/a", "file")
    os.mkfifo(view / "pipe")
    told = Told()
    outputs = (
        Output(path="/d", url=str(root / "1")),
        Output(path="/file", url=str(root / "2"), type=FileType.DIRECTORY),
        Output(path="/pipe", url=str(root / "3")),
        Output(path="/none", url=str(root / "4")),
        Output(path="/d/a", url="/etc/jobyard-test"),
        Output(path="/d/a", url=str(root / "5")),
    )
    with pytest.raises(Failure) as caught:
        await staging.store(outputs, view, told, missing_ok=False)
    for path in ("/d", "/file", "/pipe", "/none", "/etc/jobyard-test"):
        assert f"{path}: " in str(caught.value)
    assert (root / "5").read_text() == "d/a"


async def test_names_that_are_no_unicode_are_stored_and_told_readably(
    staging: Staging, root: Path, view: Path
) -> None:
    (view / "d").mkdir()
    (view / "d" / os.fsdecode(b"\xff")).write_text("x")
    told = Told()
    output = Output(path="/d", url=(root / "out").as_uri(), type=FileType.DIRECTORY)
    await staging.store((output,), view, told, missing_ok=False)
    assert told.outputs[0].path == "/d/\ufffd"
    assert told.outputs[0].url.endswith("/out/%FF")
    assert [os.fsencode(path.name) for path in (root / "out").iterdir()] == [b"\xff"]


async def test_no_more_files_move_at_once_than_configured(root: Path, view: Path) -> None:
    class Counting(Disk):
        now = most = 0

        async def fetch(self, url: str, to: int) -> None:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            await super().fetch(url, to)
            self.now -= 1

    put(root, **{f"f{n}": "x" for n in range(20)})
    disk = Counting([root])
    staging = Staging(sources={"file": disk}, sinks={}, transfers=3)
    inputs = [Input(path=f"/{n}", url=str(root / f"f{n}")) for n in range(20)]
    (view / "1").mkdir()
    (view / "2").mkdir()
    await asyncio.gather(
        staging.bring(inputs[:10], view / "1", Told()), staging.bring(inputs[10:], view / "2", Told())
    )
    assert disk.most == 3
