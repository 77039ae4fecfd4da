"""Which object a URL means, and the directories that people see in keys. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, masked

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A service that speaks S3, and the buckets in it that jobs may use; none named is all that no other
    endpoint names. Without keys, requests are not signed.
    """

    name: str
    url: str | None = None
    """None is Amazon's, of the region."""
    region: str = "us-east-1"
    buckets: Sequence[str] = ()
    bucket_in_host: bool = False
    authorities: bytes | None = field(default=None, repr=False)
    """Certificates in PEM that are trusted beside the system's."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str | None:
        """`host[:port]`."""
        return urlsplit(self.url).netloc.lower() if self.url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    endpoint: Endpoint
    bucket: str
    key: str

    def named(self, url: str) -> "Place":
        """Itself. Raises `Failure` if it is no object's."""
        if not self.key or self.key.endswith("/"):
            raise Failure(f"{masked(url)}: names no object, but a directory")
        return self


def prefixes(buckets: Iterable[Sequence[str]]) -> Sequence[str]:
    """What URLs of objects begin with, given the buckets of each endpoint."""
    names = [name for served in buckets for name in served or ("",)]
    return tuple(f"s3://{name}/" if name else "s3://" for name in names)


def locate(endpoints: Sequence[Endpoint], url: str) -> Place:
    """Raises `Failure` where there is no such place."""
    bucket, _, key = url.partition(":")[2].removeprefix("//").partition("/")
    endpoint = next((it for it in endpoints if it.address == bucket.lower()), None)
    if endpoint:
        bucket, _, key = key.partition("/")
        known = bucket in endpoint.buckets or not endpoint.buckets
    else:
        fallback = next((it for it in endpoints if not it.buckets), None)
        endpoint = next((it for it in endpoints if bucket in it.buckets), fallback)
        known = endpoint is not None
    if not _BUCKET.fullmatch(bucket):
        raise Failure(f"{masked(url)}: names no bucket; write s3://bucket/key")
    if not endpoint or not known:
        raise Failure(
            f"{masked(url)}: URL storage not configured: the bucket {bucket} is in no endpoint of [s3]"
        )
    if fault := key_fault(key.removesuffix("/")):
        raise Failure(f"{masked(url)}: {fault}")
    return Place(endpoint=endpoint, bucket=bucket, key=key)


def key_fault(key: str) -> str | None:
    """Why a key cannot be used: it would not be a path. An empty one is the whole bucket."""
    if key and any(part in {"", ".", ".."} for part in key.split("/")):
        return "a key with an empty part, `.` or `..` cannot be used"
    if _CONTROL.search(key):
        return "a key with control characters cannot be used"
    return None


def entries(sizes: Mapping[str, int], markers: Collection[str]) -> Sequence[tuple[str, FileType]]:
    """The directories and files that keys stand for, parents first. `sizes` are in bytes, by key relative to
    the directory; `markers` are those of the keys that only say that a directory is there.

    Raises `ValueError` with the name that would be file and directory at once.
    """
    directories = {parent for name in sizes for parent in _parents(name)} | set(markers)
    files = sizes.keys() - markers
    for name in sorted(files & directories):
        if sizes[name]:
            raise ValueError(name)
    types = dict.fromkeys(files, FileType.FILE) | dict.fromkeys(directories, FileType.DIRECTORY)
    return sorted(types.items())


def _parents(name: str) -> Sequence[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
