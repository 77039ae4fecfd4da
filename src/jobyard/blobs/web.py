"""Files by HTTP and HTTPS, for reading.

The host's name is resolved here, its addresses are checked, and the connection goes to a checked address, so
that a name cannot mean another machine a moment later. Each redirect is checked alike.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

from jobyard.blobs.base import WEB_PREFIXES, Source
from jobyard.blobs.descriptors import write_at
from jobyard.blobs.retry import Retry, TryAgainError, retried
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, masked

_CHUNK = 1024**2  # bytes
_MAX_REDIRECTS = 10

_TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=None)
"""Seconds without progress. A transfer as a whole may take any time."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port. Raises `OSError`."""


class Web(Source):
    """`private` allows addresses that are not on the public Internet. Close it."""

    prefixes = WEB_PREFIXES

    def __init__(self, *, private: bool, retry: Retry | None = None, resolve: Resolve | None = None) -> None:
        self._private = private
        self._retry = retry or Retry()
        self._resolve = resolve or addresses_of
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client:
            await self._client.aclose()

    @override
    def check(self, url: str, type: FileType) -> None:
        if type is FileType.DIRECTORY:
            raise _no_directories(url)
        if not urlsplit(url).hostname:
            raise Failure(f"{masked(url)}: names no host")

    @override
    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]:
        raise _no_directories(url)

    @override
    async def fetch(self, url: str, to: int) -> None:
        await retried(url, self._retry, lambda: self._fetch_once(url, to))

    async def _fetch_once(self, url: str, to: int) -> None:
        self._client = self._client or self._open()
        try:
            # What is stored is what is there: no transfer encoding is undone.
            async with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                _judge(answer, url)
                os.ftruncate(to, 0)
                offset = 0
                async for data in answer.aiter_raw(_CHUNK):
                    offset += await write_at(to, data, offset)
        except _RefusedError as error:
            raise Failure(f"{masked(url)}: {error}") from error
        except httpx.TooManyRedirects as error:
            raise Failure(f"{masked(url)}: more than {_MAX_REDIRECTS} redirects") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(f"{masked(url)}: no URL that can be fetched, or redirects to one") from error
        except httpx.TimeoutException as error:
            raise TryAgainError("no answer in time") from error
        except httpx.TransportError as error:
            raise TryAgainError("the connection failed or was lost") from error
        except OSError as error:
            raise Failure(f"{masked(url)}: cannot be written here: {error.strerror}", passing=True) from error

    def _open(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=_PinnedTransport(self._resolve, private=self._private),
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            trust_env=False,
        )


class _RefusedError(Exception):
    pass


class _PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to an address that it has checked; the name stays in the Host header and the TLS handshake."""

    def __init__(self, resolve: Resolve, *, private: bool) -> None:
        self._resolve = resolve
        self._private = private
        # Connections are not shared: a certificate was checked for one name only.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, scheme = request.url.host, request.url.scheme
        if scheme not in _DEFAULT_PORT or not host:
            raise httpx.UnsupportedProtocol("only HTTP and HTTPS", request=request)
        try:
            addresses = await self._resolve(host, request.url.port or _DEFAULT_PORT[scheme])
        except OSError as error:
            raise httpx.ConnectError("the host's name cannot be resolved", request=request) from error
        allowed = [address for address in addresses if self._private or is_public(address)]
        if not allowed:
            raise _RefusedError(
                "leads to a private address, which is not allowed (`http_private` in [files])"
            )
        for address in allowed[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, allowed[-1]))

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


_DEFAULT_PORT = {"http": 80, "https": 443}


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # they hold the name, as Host
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner or ip.teredo:
            return inner is not None and is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def addresses_of(host: str, port: int) -> Sequence[str]:
    """By the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


def _judge(answer: httpx.Response, url: str) -> None:
    if answer.is_success:
        return
    reason = f"the server answered {answer.status_code} {answer.reason_phrase}".rstrip()
    if _may_pass(answer.status_code):
        after = answer.headers.get("Retry-After", "")
        raise TryAgainError(reason, wait_s=float(after) if after.isdigit() else 0)
    raise Failure(f"{masked(url)}: {reason}")


def _may_pass(status: int) -> bool:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status != HTTPStatus.NOT_IMPLEMENTED
    return status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def _no_directories(url: str) -> Failure:
    return Failure(f"{masked(url)}: a directory cannot be read by HTTP; name its files one by one")
