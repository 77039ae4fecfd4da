import os
from pathlib import Path

from jobyard.executors.local.removal import remove, remove_if_small


def test_a_tree_of_any_depth_and_without_permissions_is_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    (tree / "locked").mkdir()
    (tree / "locked" / "x").touch()
    (tree / "locked").chmod(0)
    remove(tree)
    assert not tree.exists()


def test_links_are_removed_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "a").mkdir(parents=True)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(kept)
    remove(tree)
    assert (kept / "a").is_dir()


def test_what_is_gone_is_removed_silently(tmp_path: Path) -> None:
    remove(tmp_path / "none")
    assert remove_if_small(tmp_path / "none", "view")


def test_a_small_removal_gives_up_where_there_are_more_directories(tmp_path: Path) -> None:
    (tmp_path / "a" / "view" / "more").mkdir(parents=True)
    assert not remove_if_small(tmp_path / "a", "view")
    remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()
