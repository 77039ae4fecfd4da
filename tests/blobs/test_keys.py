"""Which object a URL means, and the directories in keys."""

import pytest

from jobyard.blobs.keys import Endpoint, entries, locate, prefixes
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType

LAB = Endpoint(name="lab", url="http://s3.lab:8333", buckets=("jobs", "results"))
CLOUD = Endpoint(name="cloud", access_key="id-1", secret_key="secret-1")
FILE, DIRECTORY = FileType.FILE, FileType.DIRECTORY


def place(url: str, *endpoints: Endpoint) -> tuple[str, str, str]:
    found = locate(endpoints or (LAB, CLOUD), url)
    return found.endpoint.name, found.bucket, found.key


@pytest.mark.parametrize(
    "url,expected",
    [
        ("s3://jobs/a/b", ("lab", "jobs", "a/b")),
        ("s3://other/a/b", ("cloud", "other", "a/b")),
        ("s3://s3.lab:8333/jobs/a/b", ("lab", "jobs", "a/b")),
        ("s3://jobs/a b%20?c=1#d+e", ("lab", "jobs", "a b%20?c=1#d+e")),
        ("s3://jobs", ("lab", "jobs", "")),
        ("s3://jobs/dir/", ("lab", "jobs", "dir/")),
    ],
)
def test_the_bucket_says_which_endpoint_and_the_key_is_taken_as_it_stands(url, expected) -> None:
    assert place(url) == expected


@pytest.mark.parametrize("url", ["s3://elsewhere/x", "s3://s3.lab:8333/elsewhere/x"])
def test_a_bucket_that_no_endpoint_has_is_not_configured(url) -> None:
    with pytest.raises(Failure, match="URL storage not configured: the bucket elsewhere"):
        place(url, LAB)


@pytest.mark.parametrize("key", ["a//b", "/a", "a/../b", "./a", "a\nb", "a\0b", "a//"])
def test_a_key_that_is_no_path_is_refused(key) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        place(f"s3://jobs/{key}")


def test_credentials_in_a_url_are_neither_taken_nor_shown() -> None:
    with pytest.raises(Failure) as raised:
        place("s3://id:hush@jobs/x")
    assert str(raised.value) == "s3://***@jobs/x: names no bucket; write s3://bucket/key"


def test_an_endpoint_does_not_show_its_keys() -> None:
    assert "-1" not in repr(CLOUD).replace("us-east-1", "")


def test_prefixes_name_the_buckets_that_are_known() -> None:
    assert prefixes([LAB.buckets]) == ("s3://jobs/", "s3://results/")
    assert prefixes([LAB.buckets, ()]) == ("s3://jobs/", "s3://results/", "s3://")


def test_directories_are_what_keys_have_in_common_and_what_markers_say() -> None:
    sizes = {"b/c/x": 1, "b": 0, "b/c": 0, "e": 0, "f": 0}
    assert entries(sizes, {"e"}) == [
        ("b", DIRECTORY),
        ("b/c", DIRECTORY),
        ("b/c/x", FILE),
        ("e", DIRECTORY),
        ("f", FILE),
    ]


def test_an_object_that_is_a_directory_too_cannot_be_brought() -> None:
    with pytest.raises(ValueError, match=r"^b$"):
        entries({"b": 1, "b/c": 1}, ())
