"""Amounts, requests, files and what is shown of addresses."""

import pytest

from jobyard.domain.files import Output, masked
from jobyard.domain.resources import Amount, Request

HERE = Amount(cores=2, memory=3 * 10**9, disk=5 * 10**9)


def test_amounts_add_subtract_and_fit_in_each_part() -> None:
    one = Amount(cores=1, memory=2, disk=3)
    assert one + one - one == one
    assert one.fits(one)
    for larger in (Amount(cores=2), Amount(memory=3), Amount(disk=4)):
        assert not larger.fits(one)


@pytest.mark.parametrize(
    "request_, amount",
    [
        (Request(), HERE),
        (Request(cores=0, memory_gb=0, disk_gb=0), HERE),
        (Request(cores=7), Amount(cores=7, memory=HERE.memory, disk=HERE.disk)),
        (Request(memory_gb=0.5, disk_gb=1), Amount(cores=2, memory=500_000_000, disk=10**9)),
        (Request(memory_gb=1.7e308), Amount(cores=2, memory=2**62, disk=HERE.disk)),
    ],
)
def test_a_request_is_counted_in_bytes_with_defaults_for_what_it_leaves_open(request_, amount) -> None:
    assert request_.amount(HERE) == amount


@pytest.mark.parametrize(
    "path, wildcard",
    [("/a/*.txt", True), ("/a/?", True), ("/a/[x]", True), ("/a/b.txt", False), ("/a]", False)],
)
def test_outputs_with_shell_patterns_are_told_apart(path, wildcard) -> None:
    assert Output(path=path, url="file:///x").wildcard == wildcard


@pytest.mark.parametrize(
    "text, shown",
    [
        ("https://user:secret@host/p", "https://***@host/p"),
        ("no address: a@b, token=x", "no address: a@b, token=x"),
        ("s3://b/k?X-Amz-Signature=abc&part=1", "s3://b/k?X-Amz-Signature=***&part=1"),
        ("https://h/p?sig=a%2Fb#top", "https://h/p?sig=***#top"),
        ("cannot read https://h/?AccessKeyId=A&x=1: 403", "cannot read https://h/?AccessKeyId=***&x=1: 403"),
        ("https://h/?TOKEN=t https://u@h", "https://h/?TOKEN=*** https://***@h"),
        ("https://h/?key=s; see the log", "https://h/?key=*** see the log"),
    ],
)
def test_credentials_in_addresses_are_not_shown(text, shown) -> None:
    assert masked(text) == shown
