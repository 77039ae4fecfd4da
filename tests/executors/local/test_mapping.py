import pytest

from jobyard.domain.files import FileType, Input, Output
from jobyard.domain.work import Command, Work
from jobyard.executors.local.mapping import mapped_paths, rewriter
from jobyard.executors.local.places import places

PATHS = {"/data", "/data/in.txt", "/tmp", "/vol"}


@pytest.mark.parametrize(
    "text, rewritten",
    [
        ("/data/in.txt", "V/data/in.txt"),
        ("/data", "V/data"),
        ("/data/", "V/data/"),
        ("/data/new/deep", "V/data/new/deep"),
        ("/database", "/database"),
        ("/data-2/x", "/data-2/x"),
        ("/data.old", "/data.old"),
        ("/vol/*.txt", "V/vol/*.txt"),
        ("--in=/data/x", "--in=V/data/x"),
        ("-I/data/x", "-IV/data/x"),
        ("gcc -I/data -o/tmp/a", "gcc -IV/data -oV/tmp/a"),
        ("a:/data:/vol/b", "a:V/data:V/vol/b"),
        (
            "cat </data/a >/tmp/b; ls '/vol' \"/vol\" `cat /vol`",
            "cat <V/data/a >V/tmp/b; ls 'V/vol' \"V/vol\" `cat V/vol`",
        ),
        ("cd /data&&ls", "cd V/data&&ls"),
        ("/opt/data/x", "/opt/data/x"),
        ("./data/x ../data", "./data/x ../data"),
        ("$HOME/data ${X}/data $(pwd)/data", "$HOME/data ${X}/data $(pwd)/data"),
        ("http://host/data/x", "http://host/data/x"),
        ("file:///data/x", "file:///data/x"),
        ("line\n/data\n", "line\nV/data\n"),
        ("", ""),
    ],
)
def test_paths_are_rewritten_at_their_boundaries(text: str, rewritten: str) -> None:
    assert rewriter(PATHS, "V")(text) == rewritten


def test_a_view_beneath_a_declared_path_is_put_in_once() -> None:
    assert rewriter({"/tmp"}, "/tmp/jobs/view")("/tmp/a /tmp") == "/tmp/jobs/view/tmp/a /tmp/jobs/view/tmp"


def test_what_is_declared_is_mapped_and_what_the_host_lacks_above_it() -> None:
    work = Work(
        commands=(Command(image="any", argv=("x",), stdout="/logs/out", workdir="/work/here"),),
        inputs=(
            Input(path="/usr/share/jobs/a/in", content="x"),
            Input(path="/etc/conf", content="x"),
            Input(path="/ref/db", url="/x", type=FileType.DIRECTORY),
        ),
        outputs=(Output(path="/res/a*/b*", path_prefix="/res", url="/x"),),
        volumes=("/vol",),
    )
    host = {"/", "/usr", "/usr/share", "/etc", "/tmp"}
    declared = places(work).settled(host.__contains__)
    assert mapped_paths(declared, host.__contains__) == {
        "/etc/conf",
        "/logs",
        "/logs/out",
        "/ref",
        "/ref/db",
        "/res",
        "/tmp",
        "/usr/share/jobs",
        "/usr/share/jobs/a/in",
        "/vol",
        "/work",
        "/work/here",
    }
