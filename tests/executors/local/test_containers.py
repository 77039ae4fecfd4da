"""The words and the text that container engines are given."""

import shlex
from itertools import pairwise

import pytest

from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, Input, Output
from jobyard.domain.resources import Amount
from jobyard.domain.work import Command, Work
from jobyard.executors.local.containers import (
    DOCKER,
    PODMAN,
    Container,
    ContainerOptions,
    container_step,
    mounts,
    pull_may_pass,
    reference,
    run_words,
)
from jobyard.executors.local.places import places


@pytest.mark.parametrize(
    "image",
    [
        "alpine",
        "alpine:3.20",
        "localhost:5000/a/b_c:v1",
        "docker.io/library/alpine@sha256:" + "0" * 64,
        "quay.io/biocontainers/samtools:1.19--h50ea8bc_0",
    ],
)
def test_names_of_images_are_taken_as_they_are(image: str) -> None:
    assert reference(image) == image
    assert reference(f"docker://{image}") == image


@pytest.mark.parametrize(
    "image", ["dir:/etc", "oci-archive:/root/x.tar", "oci:x", "sif:x", "--privileged", "/etc", "a b", "A", ""]
)
def test_what_an_engine_would_take_for_a_file_or_an_option_is_refused(image: str) -> None:
    with pytest.raises(Failure, match="not the name of an image") as raised:
        reference(image)
    assert not raised.value.passing


def declared(*paths: str, volumes: tuple[str, ...] = (), outputs: tuple[Output, ...] = ()) -> Work:
    return Work(
        commands=(Command(image="any", argv=("x",)),),
        inputs=tuple(Input(path=path, content="") for path in paths),
        volumes=volumes,
        outputs=outputs,
    )


def test_the_directory_around_a_file_is_bound_but_not_where_the_image_keeps_its_system() -> None:
    tree = Output(path="/data/made", url="file:///x", type=FileType.DIRECTORY)
    work = declared(
        "/data/in/a", "/etc/tool.conf", "/usr/share/x/y", "/top", volumes=("/data",), outputs=(tree,)
    )
    bound = mounts(places(work))
    assert bound.directories == ("/data", "/tmp")
    assert bound.files == ("/etc/tool.conf", "/top", "/usr/share/x/y")


@pytest.mark.parametrize("path", ["/dev/x", "/proc/a/b", "/sys/x"])
def test_files_in_the_kernels_places_are_refused(path: str) -> None:
    with pytest.raises(Failure, match="cannot have files"):
        mounts(places(declared(path)))


def container(options: ContainerOptions, *directories: str) -> Container:
    return Container(
        name="jobyard-id.1-2",
        labels={"a": "b"},
        user="0:0",
        view="/view",
        mounts=mounts(places(declared(volumes=directories))),
        env={"HOME": "/tmp"},
        amount=Amount(cores=2, memory=1000),
        options=options,
    )


def test_a_container_gets_nothing_that_was_not_given_to_it() -> None:
    command = Command(image="any", argv=("-x", "a b"), env={"odd.key": "1 2"}, workdir="/app")
    words = run_words(PODMAN, container(ContainerOptions(), '/a,"b'), command)
    text = shlex.join(words)
    for part in (
        "--network none",
        "--cap-drop all",
        "--security-opt no-new-privileges",
        "--read-only",
        "--user 0:0",
        "--cpus 2",
        "--memory 1000 --memory-swap 1000",
        "--pids-limit 4096",
        "--http-proxy=false",
        "--env 'odd.key=1 2'",
        "--workdir /app --mount type=volume,target=/app",
    ):
        assert part in text
    assert '"source=/view/a,""b"' in text
    assert words[-6:] == ["--entrypoint", "", "--", "any", "-x", "a b"]


def test_what_the_settings_allow_is_allowed() -> None:
    options = ContainerOptions(
        network="default", read_only=False, capabilities=("CHOWN",), limits=False, max_processes=0
    )
    words = run_words(DOCKER, container(options), Command(image="any", argv=("x",)))
    assert ("--cap-add", "CHOWN") in pairwise(words)
    refused = {"--network", "--read-only", "--cpus", "--memory", "--pids-limit", "--http-proxy=false"}
    assert not refused & set(words)


def test_no_shell_parses_a_word_of_a_job() -> None:
    hostile = "$(touch x); `y` '\"\n"
    command = Command(image="any", argv=(hostile,), env={"K": hostile}, stdout=f"/tmp/{hostile}")
    text = container_step("podman", PODMAN, container(ContainerOptions()), command, tail="tail -c 5").text
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words = list(lexer)
    assert hostile in words
    assert f"K={hostile}" in words
    assert f"view/tmp/{hostile}" in words


@pytest.mark.parametrize(
    "complaint, passing",
    [
        ('Get "https://r/v2/": dial tcp 127.0.0.1:9: connect: connection refused', True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("toomanyrequests: You have reached your pull rate limit", True),
        ("reading manifest 9 in docker.io/library/alpine: manifest unknown", False),
        ("requested access to the resource is denied", False),
        ('short-name "x" did not resolve to an alias and no unqualified-search registries', False),
    ],
)
def test_a_registry_that_says_no_is_told_from_one_that_does_not_answer(complaint: str, passing: bool) -> None:
    assert pull_may_pass(complaint) is passing
