from collections.abc import Sequence

from jobyard.executors.local.bubblewrap import MAX_BESIDE, View, options, plan
from jobyard.executors.local.places import Places


class Host:
    """A host with these directories; a name with an arrow is a link."""

    def __init__(self, **directories: str) -> None:
        self._names = {path.replace("_", "/"): names.split() for path, names in directories.items()}

    def names(self, path: str) -> Sequence[str]:
        return [name.split("->")[0] for name in self._names.get(path, [])]

    def link(self, path: str) -> str | None:
        parent, _, name = path.rpartition("/")
        found = next((n for n in self._names.get(parent or "/", []) if n.split("->")[0] == name), "")
        return found.partition("->")[2] or None


HOST = Host(
    _="bin->usr/bin dev etc file home proc srv tmp usr",
    _etc="passwd mtab->/proc/mounts",
    _srv="a yard",
    _srv_yard="data other",
    _usr="bin local",
    _usr_local="bin share",
)


def places(*directories: str, files: tuple[str, ...] = ()) -> Places:
    return Places(directories=frozenset({"/tmp", *directories}), files=frozenset(files), workdirs=frozenset())


def seen(*directories: str, files: tuple[str, ...] = (), data: str = "/srv/yard/data") -> View:
    return plan(places(*directories, files=files), HOST, data=data)


def test_with_nothing_declared_the_host_is_bound_entry_by_entry() -> None:
    view = seen()
    assert view.binds == ("/etc", "/file", "/home", "/srv", "/usr")
    assert view.symlinks == {"/bin": "usr/bin"}
    assert view.tops == ("/tmp",)
    assert view.masks == ("/srv/yard/data",)


def test_a_declared_directory_hides_what_the_host_has_there() -> None:
    view = seen("/usr/local", "/new/deep")
    assert view.binds == ("/etc", "/file", "/home", "/srv", "/usr/bin")
    assert view.tops == ("/new", "/tmp", "/usr")


def test_beside_a_declared_file_the_hosts_files_stay() -> None:
    view = seen(files=("/etc/conf",))
    assert "/etc/passwd" in view.binds
    assert "/etc" not in view.binds
    assert view.links == {"/etc/mtab": "/proc/mounts"}
    assert "/etc/passwd" not in seen(files=("/etc/passwd",)).binds


def test_a_file_directly_beneath_the_root_makes_the_view_the_root() -> None:
    view = seen(files=("/in.txt",))
    assert view.tops == ()
    assert view.links == {"/bin": "usr/bin"}
    assert options(view, "/v", {}, capable=False)[:3] == ["--bind", "/v", "/"]


def test_what_lies_behind_a_link_of_the_host_can_be_declared() -> None:
    host = Host(_="bin->usr/bin usr", _bin="sh", _usr="bin")
    view = plan(places(files=("/bin/tool",)), host, data="/srv")
    assert view.binds == ("/usr", "/bin/sh")
    assert view.symlinks == {}


def test_the_servers_directory_is_masked_unless_it_is_hidden_anyway() -> None:
    assert seen("/srv").masks == ()
    assert seen("/srv/a").masks == ("/srv/yard/data",)
    assert seen(data="/tmp/data").masks == ()


def test_a_path_declared_within_the_servers_directory_shows_nothing_of_it() -> None:
    view = seen(files=("/srv/yard/data/x/in",))
    assert [path for path in view.binds if path.startswith("/srv")] == ["/srv/a", "/srv/yard/other"]
    assert view.masks == ()


def test_a_crowded_directory_is_hidden_and_named() -> None:
    host = Host(_="usr", _usr=" ".join(f"n{n}" for n in range(MAX_BESIDE + 1)))
    view = plan(places(files=("/usr/x",)), host, data="/srv")
    assert (view.binds, view.crowded) == ((), ("/usr",))


def test_a_job_of_root_keeps_few_capabilities() -> None:
    words = options(seen(), "/v", {"A": "b c"}, capable=True)
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "CAP_SYS_ADMIN" not in words
    assert words[-3:] == ["--setenv", "A", "b c"]
