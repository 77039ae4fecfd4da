"""Objects by `s3://bucket/key`, or `s3://host[:port]/bucket/key`, of the endpoints that are configured.

Keys are taken as they stand, as the tools of object storage do: nothing is percent-decoded, and `?`, `#` and
`+` are characters like others. A directory is what the keys that begin with `name/` have in common.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import S3Store
from typing_extensions import override

from jobyard.blobs.base import Sink, Source
from jobyard.blobs.descriptors import completed, read_at, write_at
from jobyard.blobs.keys import Endpoint, Place, entries, locate, prefixes
from jobyard.blobs.retry import Retry
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, masked

if TYPE_CHECKING:  # the library has them for type checkers only
    from obstore.store import ClientConfig, S3Config

_READ = 4 * 1024**2  # bytes at once
_PART = 8 * 1024**2  # bytes; larger files are stored in parts
_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 3
_LIST_PAGE = 1000
_HEADS_AT_ONCE = 8

_STALLED = timedelta(seconds=120)
"""Without a byte."""
_LONGEST = timedelta(days=7)
"""For one request; there must be a limit."""
_CLEANING_S = 10
_LONGEST_PAUSE = timedelta(seconds=30)

_ERRORS = (BaseError, FileNotFoundError)
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_REDIRECTED = "incorrectly configured region"
_UNTRUSTED = "InvalidCertificate("
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


class ObjectStorage(Source, Sink):
    """`endpoints` name each bucket once at most, and at most one of them names none."""

    def __init__(self, endpoints: Sequence[Endpoint], *, retry: Retry | None = None) -> None:
        self._endpoints = endpoints
        self._retry = retry or Retry()
        self._stores: dict[tuple[str, str], S3Store] = {}
        self._there: set[tuple[str, str]] = set()
        self.prefixes = prefixes([endpoint.buckets for endpoint in endpoints])

    @override
    def check(self, url: str, type: FileType) -> None:
        place = locate(self._endpoints, url)
        if type is FileType.FILE:
            place.named(url)

    @override
    def check_write(self, url: str) -> None:
        locate(self._endpoints, url).named(url)

    @override
    async def fetch(self, url: str, to: int) -> None:
        place = locate(self._endpoints, url).named(url)
        try:
            answer = await obstore.get_async(self._store(place), place.key)
            os.ftruncate(to, 0)
            offset = 0
            async for data in answer.stream(min_chunk_size=_READ):
                offset += await write_at(to, data, offset)
        except _ERRORS as error:
            raise _failure(url, place, error) from error
        except OSError as error:
            raise Failure(f"{masked(url)}: cannot be written here: {error.strerror}", passing=True) from error

    @override
    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]:
        place = locate(self._endpoints, url)
        prefix = place.key.rstrip("/")
        sizes: dict[str, int] = {}
        try:
            store = self._store(place)
            async for page in obstore.list(store, prefix or None, chunk_size=_LIST_PAGE):
                for meta in page:
                    name = meta["path"].removeprefix(prefix).lstrip("/")
                    sizes[name] = max(meta["size"], sizes.get(name, 0))  # `name` and `name/` look the same
            if not sizes:
                raise Failure(f"{masked(url)}: there are no objects below it")
            sizes.pop("", None)  # the marker of the directory itself
            markers = await self._markers(store, prefix, [name for name, size in sizes.items() if not size])
        except _ERRORS as error:
            raise _failure(url, place, error) from error
        try:
            return entries(sizes, markers)
        except ValueError as error:
            raise Failure(f"{masked(url)}: {error} is an object and a directory at once") from error

    async def _markers(self, store: S3Store, prefix: str, names: Sequence[str]) -> frozenset[str]:
        """Those of the empty objects that are no files: their keys end in a slash, which a listing hides."""
        turns = asyncio.Semaphore(_HEADS_AT_ONCE)

        async def is_marker(name: str) -> bool:
            async with turns:
                try:
                    await obstore.head_async(store, f"{prefix}/{name}" if prefix else name)
                except FileNotFoundError:
                    return True
                return False

        found = await asyncio.gather(*map(is_marker, names))
        return frozenset(name for name, marker in zip(names, found, strict=True) if marker)

    @override
    async def put(self, url: str, source: int) -> tuple[int, str]:
        place = locate(self._endpoints, url).named(url)
        upload = _Upload(source)
        try:
            store = self._store(place)
            await self._expect_bucket(store, place)
            await upload.run(store, place.key)
        except _ERRORS as error:
            raise _failure(url, place, error) from error
        except OSError as error:
            raise Failure(
                f"{masked(url)}: the output cannot be read: {error.strerror}", passing=True
            ) from error
        return upload.size, upload.digest.hexdigest()

    async def _expect_bucket(self, store: S3Store, place: Place) -> None:
        """Some services make a bucket for whoever writes to it; here a mistyped one is an error. Who may
        write but not look is believed.
        """
        known = place.endpoint.name, place.bucket
        if known in self._there:
            return
        try:
            async for _ in obstore.list(store, place.key, chunk_size=1):
                break
        except BaseError as error:
            if _answer(error)[0] not in _DENIED:
                raise
        self._there.add(known)

    def _store(self, place: Place) -> S3Store:
        known = place.endpoint.name, place.bucket
        if known not in self._stores:
            self._stores[known] = _open(place.endpoint, place.bucket, self._retry)
        return self._stores[known]


class _Upload:
    """One file on its way, which is hashed as it is read."""

    def __init__(self, source: int) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._source = source
        self._stopped = False

    async def run(self, store: S3Store, key: str) -> None:
        """Cancelled, it takes back the parts that it has stored, if the service answers soon."""
        length = os.fstat(self._source).st_size
        part = max(_PART, -(-length // _MOST_PARTS))
        if length <= part:
            data = await self._read(length)
            await obstore.put_async(store, key, data, use_multipart=False)
            return
        sending = asyncio.ensure_future(
            obstore.put_async(store, key, self._parts(part), chunk_size=part, max_concurrency=_PARTS_AT_ONCE)
        )
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._stopped = True
            done, _ = await asyncio.wait({sending}, timeout=_CLEANING_S)
            if not done:
                sending.cancel()
            elif not sending.cancelled():
                sending.exception()  # nobody asks any more
            raise

    async def _parts(self, size: int) -> AsyncIterator[bytes]:
        while data := await self._read(size):
            if self._stopped:
                raise InterruptedError
            yield data

    async def _read(self, size: int) -> bytes:
        data = await read_at(self._source, size, self.size)
        await completed(asyncio.to_thread(self.digest.update, data))
        self.size += len(data)
        return data


def _open(endpoint: Endpoint, bucket: str, retry: Retry) -> S3Store:
    base = endpoint.url or f"https://s3.{endpoint.region}.amazonaws.com"
    if endpoint.bucket_in_host:
        scheme, _, host = base.partition("://")
        base = f"{scheme}://{bucket}.{host}"
    config: S3Config = {
        # By this name: another would give way to a variable of the environment.
        "aws_endpoint_url_s3": base.rstrip("/"),
        "region": endpoint.region,
        "virtual_hosted_style_request": endpoint.bucket_in_host,
    }
    if endpoint.access_key is None or endpoint.secret_key is None:
        config["skip_signature"] = True
    else:
        config |= {"access_key_id": endpoint.access_key, "secret_access_key": endpoint.secret_key}
    if endpoint.session_token is not None:
        config["session_token"] = endpoint.session_token
    client: ClientConfig = {
        "allow_http": base.startswith("http://"),
        "timeout": _LONGEST,
        "read_timeout": _STALLED,
    }
    if endpoint.authorities is not None:
        client["root_certificate"] = endpoint.authorities
    return S3Store(
        bucket,
        config=config,
        client_options=client,
        retry_config={
            "max_retries": retry.tries - 1,
            "backoff": {"init_backoff": timedelta(seconds=retry.pause_s), "max_backoff": _LONGEST_PAUSE},
        },
    )


def _answer(error: Exception) -> tuple[int | None, str | None]:
    """The status and the error code that the server answered with, as the library's text has them."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return int(status[1]) if status else None, code[1] if code else None


def _failure(url: str, place: Place, error: Exception) -> Failure:
    """The library's own text is not shown: it holds addresses and whatever the server said."""
    status, code = _answer(error)
    where = f"the endpoint {place.endpoint.name} ([s3])"
    if code == "NoSuchBucket":
        reason = f"{where} has no bucket {place.bucket}; it must be there already"
    elif isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
        reason = f"{where} has no such object"
    elif status in _DENIED:
        keys = "with the configured keys" if place.endpoint.access_key else "without keys"
        reason = f"{where} refuses access {keys}: {code or status}"
    elif status is not None:
        reason = f"{where} answered {status}{f' {code}' if code else ''}"
    elif isinstance(error, InvalidPathError):
        reason = "there are keys below it with empty parts, `.`, `..` or control characters"
    elif _REDIRECTED in str(error):
        reason = f"{where} has the bucket elsewhere: look at `region` and `style`"
    elif _UNTRUSTED in str(error):
        reason = f"the certificate of {where} is not trusted (`ca_file`)"
    else:
        reason = f"{where} cannot be reached, or the connection was lost"
    lasting = isinstance(error, FileNotFoundError | InvalidPathError) or any(
        words in str(error) for words in (_REDIRECTED, _UNTRUSTED)
    )
    passing = status is None or status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure(f"{masked(url)}: {reason}", passing=passing and not lasting)
