"""What lies outside is never reached, and what lies inside is."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.confined import Confined, Entry, Kind, Links, NotRegularError, OutsideError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """`root/` with files, and a secret beside it."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "file").write_text("inside")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root-evil").mkdir()
    (tmp_path / "root-evil" / "x").write_text("secret")
    return root


@pytest.fixture(params=list(Links))
def confined(request: pytest.FixtureRequest, tree: Path) -> Iterator[Confined]:
    with Confined(tree, links=request.param) as confined:
        yield confined


def text(confined: Confined, path: str) -> str:
    with os.fdopen(confined.open_file(path), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("path", ["a/file", "/a/file", "a//./file", "a/b/../file"])
def test_a_file_inside_is_read(confined: Confined, path: str) -> None:
    assert text(confined, path) == "inside"


@pytest.mark.parametrize(
    "target",
    [
        "../../secret",
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "../../root-evil/x",
    ],
)
def test_a_link_to_the_outside_is_not_followed(confined: Confined, tree: Path, target: str) -> None:
    (tree / "a" / "link").symlink_to(target)
    with pytest.raises((FileNotFoundError, OutsideError)):
        confined.open_file("a/link")
    assert confined.kind("a/link") is Kind.OTHER


def test_a_link_to_an_outside_directory_is_not_followed_on_the_way(confined: Confined, tree: Path) -> None:
    (tree / "way").symlink_to(tree.parent)
    with pytest.raises((FileNotFoundError, OutsideError)):
        confined.open_file("way/secret")
    with pytest.raises((FileNotFoundError, OutsideError)):
        confined.names("way")


@pytest.mark.parametrize("target", ["file", "../a/file", "b/../file", "{root}/a/file"])
def test_a_link_that_stays_inside_is_followed(confined: Confined, tree: Path, target: str) -> None:
    (tree / "a" / "link").symlink_to(target.format(root=tree))
    assert text(confined, "a/link") == "inside"


def test_for_a_view_an_absolute_link_begins_at_the_root(tree: Path) -> None:
    (tree / "link").symlink_to("/a/file")
    with Confined(tree, links=Links.REROOT) as view:
        assert text(view, "link") == "inside"
    with Confined(tree, links=Links.REFUSE) as root, pytest.raises(OutsideError):
        root.open_file("link")


def test_two_dots_never_leave_the_root(tree: Path) -> None:
    with Confined(tree, links=Links.REROOT) as view:
        assert text(view, "../../a/file") == "inside"
    with Confined(tree, links=Links.REFUSE) as root, pytest.raises(OutsideError):
        root.open_file("../secret")


def test_a_circle_of_links_is_an_error(confined: Confined, tree: Path) -> None:
    (tree / "x").symlink_to("y")
    (tree / "y").symlink_to("x")
    with pytest.raises(OSError, match="symbolic links"):
        confined.open_file("x")
    assert confined.kind("x") is Kind.OTHER


def test_only_regular_files_are_opened(confined: Confined, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tree / "socket"))
    for name in ("pipe", "socket", "a"):
        with pytest.raises(NotRegularError):
            confined.open_file(name)


def test_a_new_file_replaces_a_link_and_not_its_target(confined: Confined, tree: Path) -> None:
    secret = tree.parent / "secret"
    (tree / "new").symlink_to(secret)
    os.close(confined.create_file("new"))
    assert secret.read_text() == "secret"
    assert not (tree / "new").is_symlink()


def test_directories_are_not_made_through_a_link_to_the_outside(tree: Path) -> None:
    (tree / "way").symlink_to(tree.parent)
    with Confined(tree, links=Links.REFUSE) as root, pytest.raises(OutsideError):
        root.create_file("way/new/file")
    with Confined(tree, links=Links.REROOT) as view:
        os.close(view.create_file("way/new/file"))
    assert not (tree.parent / "new").exists()


def test_a_walk_follows_links_inside_and_tells_of_the_others(confined: Confined, tree: Path) -> None:
    (tree / "a" / "broken").symlink_to("nowhere")
    (tree / "a" / "out").symlink_to("/etc")
    (tree / "a" / "up").symlink_to("..")
    (tree / "a" / "same").symlink_to("file")
    os.mkfifo(tree / "a" / "b" / "pipe")
    assert sorted(confined.walk("a"), key=lambda entry: entry.name) == [
        Entry("b", Kind.DIRECTORY),
        Entry("b/pipe", Kind.OTHER),
        Entry("broken", Kind.OTHER),
        Entry("file", Kind.FILE),
        Entry("out", Kind.OTHER),
        Entry("same", Kind.FILE),
        *walked_up(),
    ]


def walked_up() -> list[Entry]:
    """`up` is the root, in which `a` is again: that one is not entered."""
    return [Entry("up", Kind.DIRECTORY), Entry("up/a", Kind.OTHER)]


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_is_left_open(confined: Confined, tree: Path) -> None:
    (tree / "a" / "out").symlink_to("/etc/passwd")
    before = open_descriptors()
    for path in ("a/file", "a/out", "none", "a/b/../../a/b"):
        confined.kind(path)
    list(confined.walk("."))
    assert open_descriptors() == before
