import fcntl
import os
from pathlib import Path

import pytest

from jobyard.blobs.disk import Disk, temporary_name
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    (tmp_path / "root-evil").mkdir()
    (tmp_path / "root-evil" / "secret").write_text("secret")
    return path


async def fetched(disk: Disk, url: str, to: Path) -> bytes:
    fd = os.open(to, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        await disk.fetch(url, fd)
    finally:
        os.close(fd)
    return contents(to)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def names(path: Path) -> list[str]:
    return sorted(str(below.relative_to(path)) for below in path.rglob("*"))


async def stored(disk: Disk, url: str, source: Path) -> tuple[int, str]:
    fd = os.open(source, os.O_RDONLY)
    try:
        return await disk.put(url, fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 1, 3 * 1024**2 + 7])
async def test_bytes_come_back_as_they_went(root: Path, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source = tmp_path / "source"
    source.write_bytes(data)
    disk = Disk([root])
    assert (await stored(disk, (root / "a/b/c").as_uri(), source))[0] == size
    assert await fetched(disk, str(root / "a/b/c"), tmp_path / "back") == data


async def test_a_url_is_percent_encoded_and_a_bare_path_is_not(root: Path, tmp_path: Path) -> None:
    (root / "a b#c?d%41").write_text("x")
    disk = Disk([root])
    for url in (
        f"{root.as_uri()}/a%20b%23c%3Fd%2541",
        f"{root}/a b#c?d%41",
        f"file://localhost{root}/a b#c?d%2541",
    ):
        assert await fetched(disk, url, tmp_path / "to") == b"x"


@pytest.mark.parametrize(
    "path",
    [
        "{root}-evil/secret",
        "{root}-evil/none",
        "{root}/../root-evil/secret",
        "{root}/%2e%2e/root-evil/secret",
        "{root}/link/secret",
        "{root}/link/none",
        "{root}/out",
        "{root}/none-out",
    ],
)
async def test_what_lies_outside_is_refused_alike_whether_it_exists_or_not(
    root: Path, tmp_path: Path, path: str
) -> None:
    (root / "link").symlink_to(tmp_path / "root-evil")
    (root / "out").symlink_to("/etc/passwd")
    (root / "none-out").symlink_to("/etc/none")
    with pytest.raises(Failure, match="not beneath a directory that file:// URLs may reach") as caught:
        await fetched(Disk([root]), "file://" + path.format(root=root), tmp_path / "to")
    assert not caught.value.passing


async def test_a_link_that_stays_beneath_the_root_is_followed(root: Path, tmp_path: Path) -> None:
    (root / "file").write_text("x")
    (root / "link").symlink_to(root / "file")
    assert await fetched(Disk([root]), str(root / "link"), tmp_path / "to") == b"x"


@pytest.mark.parametrize("url", ["file://other-host/a", "file:relative", "file:///a%00b"])
def test_a_url_that_names_no_file_of_this_host_is_refused(root: Path, url: str) -> None:
    with pytest.raises(Failure):
        Disk([Path("/")]).check(url, FileType.FILE)


async def test_a_copy_may_be_executed_where_the_file_may(root: Path, tmp_path: Path) -> None:
    (root / "tool").write_text("#!/bin/sh\n")
    (root / "tool").chmod(0o555)
    to = tmp_path / "to"
    disk = Disk([root])
    await fetched(disk, str(root / "tool"), to)
    assert to.stat().st_mode & 0o777 == 0o755
    await stored(disk, str(root / "again"), to)
    assert (root / "again").stat().st_mode & 0o100


async def test_a_file_is_replaced_at_once_and_no_other_name_stays(root: Path, tmp_path: Path) -> None:
    (root / "a").write_text("old and longer")
    held = (root / "a").open()
    source = tmp_path / "source"
    source.write_text("new")
    await stored(Disk([root]), str(root / "a"), source)
    assert ((root / "a").read_text(), held.read()) == ("new", "old and longer")
    held.close()
    assert names(root) == ["a"]


async def test_a_link_in_the_way_of_a_write_is_replaced_or_refused(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("new")
    secret = tmp_path / "root-evil" / "secret"
    (root / "link").symlink_to(secret)
    (root / "way").symlink_to(tmp_path / "root-evil")
    await stored(Disk([root]), str(root / "link"), source)
    with pytest.raises(Failure):
        await stored(Disk([root]), str(root / "way/secret"), source)
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("name", ["dir", "dir/", "file/below", ""])
async def test_a_write_over_a_directory_or_below_a_file_fails_and_leaves_nothing(
    root: Path, tmp_path: Path, name: str
) -> None:
    (root / "dir").mkdir()
    (root / "file").write_text("x")
    with pytest.raises(Failure) as caught:
        await stored(Disk([root]), f"{root}/{name}", root / "file")
    assert not caught.value.passing
    assert names(root) == ["dir", "file"]


async def test_devices_and_pipes_are_not_read(root: Path, tmp_path: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(Failure, match="not a regular file"):
        await fetched(Disk([root]), str(root / "pipe"), tmp_path / "to")


async def test_the_prefixes_name_the_roots(root: Path) -> None:
    assert Disk([root]).prefixes == (f"file://{root}/",)


async def test_what_a_killed_process_left_of_a_file_goes_when_it_is_stored_again(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("new")
    (root / "file").write_text("old")
    (root / temporary_name("file")).write_text("ne")
    await stored(Disk([root]), str(root / "file"), tmp_path / "source")
    assert names(root) == ["file"]
    assert contents(root / "file") == b"new"


async def test_what_another_process_is_writing_to_the_same_file_is_left_alone(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("new")
    (root / "file").write_text("old")
    with (root / temporary_name("file")).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await stored(Disk([root]), str(root / "file"), tmp_path / "source")
    assert names(root) == [temporary_name("file"), "file"]
    assert contents(root / "file") == b"new"
