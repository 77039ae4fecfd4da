"""URLs of what lies in a directory."""

import pytest

from jobyard.staging.urls import child


@pytest.mark.parametrize(
    "url,expected",
    [
        ("/data/dir/", "/data/dir/a b/50%"),
        ("file:///data/dir", "file:///data/dir/a%20b/50%25"),
        ("ftp://host/dir", "ftp://host/dir/a%20b/50%25"),
        ("s3://bucket/dir/", "s3://bucket/dir/a b/50%"),
    ],
)
def test_a_name_is_encoded_where_such_urls_are(url, expected) -> None:
    assert child(url, "a b/50%") == expected
