"""Files by `ftp://host/path` and `ftps://host/path`, on the servers that are configured.

Paths are percent-encoded in URLs, and absolute. A connection carries one file, or one listing.
"""

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from aioftp import Client, StatusCodeError
from typing_extensions import override

from jobyard.blobs.base import Sink, Source
from jobyard.blobs.descriptors import read_at, write_at
from jobyard.blobs.hosts import File, Server, locate, prefixes
from jobyard.blobs.retry import Retry, TryAgainError, retried
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, masked

_T = TypeVar("_T")

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 1024**2  # bytes
_CONNECT_S = 10
_STALLED_S = 60
"""Without an answer, or a byte. A transfer as a whole may take any time."""
_CLEANING_S = 5
_DEEPEST = 100
"""Directories in each other; more is a link that leads back."""

_NO_PLACE = frozenset({"550", "553"})
"""What servers answer where the directory of a new file is not there."""

_TYPES = {"file": FileType.FILE, "dir": FileType.DIRECTORY}
_SELF = frozenset({"cdir", "pdir"})


class Ftp(Source, Sink):
    """`ca_file` says whose certificates count; none is the system's."""

    def __init__(
        self, servers: Sequence[Server], *, ca_file: Path | None = None, retry: Retry | None = None
    ) -> None:
        self._servers = servers
        self._ca_file = ca_file
        self._retry = retry or Retry()
        self.prefixes = prefixes(servers)

    @override
    def check(self, url: str, type: FileType) -> None:
        file = locate(self._servers, url)
        if type is FileType.FILE:
            _named(url, file)

    @override
    def check_write(self, url: str) -> None:
        _named(url, locate(self._servers, url))

    @override
    async def fetch(self, url: str, to: int) -> None:
        async def once(client: Client, file: File) -> None:
            os.ftruncate(to, 0)
            offset = 0
            async with client.download_stream(_named(url, file)) as stream:
                async for data in stream.iter_by_block(_CHUNK):
                    try:
                        offset += await write_at(to, data, offset)
                    except OSError as error:
                        reason = f"cannot be written here: {error.strerror}"
                        raise Failure(f"{masked(url)}: {reason}", passing=True) from error

        await self._each_try(url, once)

    @override
    async def list(self, url: str) -> Sequence[tuple[str, FileType | None]]:
        async def once(client: Client, file: File) -> Sequence[tuple[str, FileType | None]]:
            found: list[tuple[str, FileType | None]] = []
            await _walk(client, file.path.rstrip("/"), "", found)
            return found

        return await self._each_try(url, once)

    @override
    async def put(self, url: str, source: int) -> tuple[int, str]:
        async def once(client: Client, file: File) -> tuple[int, str]:
            directory, _, _ = _named(url, file).rpartition("/")
            new = f"{directory}/.jobyard-{token_hex(8)}"
            try:
                stored = await _send(client, new, source)
                await client.rename(new, file.path)
            except BaseException:
                await self._discard(file, new)
                raise
            return stored

        return await self._each_try(url, once)

    async def _discard(self, file: File, path: str) -> None:
        """Over another connection, since who knows in what state that of the transfer is."""
        with suppress(Exception):
            async with asyncio.timeout(_CLEANING_S), self._session(file) as client:
                await client.remove_file(path)

    async def _each_try(self, url: str, action: Callable[[Client, File], Awaitable[_T]]) -> _T:
        file = locate(self._servers, url)

        async def once() -> _T:
            try:
                async with self._session(file) as client:
                    return await action(client, file)
            except StatusCodeError as error:
                raise _refusal(url, error) from error
            except ssl.SSLCertVerificationError as error:
                raise Failure(
                    f"{masked(url)}: the server's certificate is not trusted: {error.verify_message}"
                ) from error
            except TimeoutError as error:
                raise TryAgainError("no answer in time") from error
            except OSError as error:
                raise TryAgainError("the connection failed or was lost") from error

        return await retried(url, self._retry, once)

    @asynccontextmanager
    async def _session(self, file: File) -> AsyncIterator[Client]:
        trust = None if file.server.tls == "none" else ssl.create_default_context(cafile=self._ca_file)
        client = _Client(trust if file.server.tls == "implicit" else None)
        try:
            await client.connect(file.server.host, file.server.port)
            if file.server.tls == "explicit":
                await client.upgrade_to_tls(trust)
            await client.login(file.user, file.password)
            if file.server.tls == "implicit":
                await client.command("PBSZ 0", "200")
                await client.command("PROT P", "200")
            yield client
            with suppress(StatusCodeError, OSError):
                await client.quit()
        finally:
            await client.end()


class _Client(Client):
    """Closes what the library forgets: the data connection of a transfer that was refused."""

    def __init__(self, trust: ssl.SSLContext | None) -> None:
        super().__init__(connection_timeout=_CONNECT_S, socket_timeout=_STALLED_S, ssl=trust)
        self._writers: list[asyncio.StreamWriter] = []

    async def end(self) -> None:
        self.close()
        for writer in self._writers:
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _CLEANING_S)

    @override
    async def _open_connection(self, host: str, port: int) -> _Connection:
        connection = await super()._open_connection(host, port)
        self._writers.append(connection[1])
        return connection


async def _walk(client: Client, directory: str, below: str, found: list[tuple[str, FileType | None]]) -> None:
    """Add what is in the directory, parents first; `below` is its name relative to the first one."""
    if below.count("/") > _DEEPEST:
        raise TryAgainError("its directories do not end")
    for path, info in await client.list(f"{directory}/{below}"):
        if info["type"] in _SELF or path.name in {"", ".", ".."}:
            continue
        name = f"{below}/{path.name}" if below else path.name
        type = _TYPES.get(info["type"])
        found.append((name, type))
        if type is FileType.DIRECTORY:
            await _walk(client, directory, name, found)


async def _send(client: Client, path: str, source: int) -> tuple[int, str]:
    try:
        return await _send_once(client, path, source)
    except StatusCodeError as error:
        if _code(error) not in _NO_PLACE:
            raise
        await _make_parents(client, path)
        return await _send_once(client, path, source)


async def _send_once(client: Client, path: str, source: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    async with client.upload_stream(path) as stream:
        while data := await read_at(source, _CHUNK, size):
            digest.update(data)
            size += len(data)
            await stream.write(data)
    return size, digest.hexdigest()


async def _make_parents(client: Client, path: str) -> None:
    """Those that are there refuse to be made; so do those that may not be, which the transfer will tell."""
    parts = path.split("/")[1:-1]
    for depth in range(1, len(parts) + 1):
        with suppress(StatusCodeError):
            await client.command(f"MKD /{'/'.join(parts[:depth])}", "257")


def _named(url: str, file: File) -> str:
    if file.path.endswith("/") or not file.path:
        raise Failure(f"{masked(url)}: names no file, but a directory")
    return file.path


def _code(error: StatusCodeError) -> str:
    return error.received_codes[-1] if error.received_codes else "nothing"


def _refusal(url: str, error: StatusCodeError) -> Exception:
    """What the server said is not shown: it may be anything."""
    code = _code(error)
    if code.startswith("4"):
        return TryAgainError(f"the server answered {code}")
    reason = {
        "530": "the server refuses the login (`user` and `password` in [ftp])",
        "550": "the server has no such file, or refuses access to it",
        "553": "the server refuses this name",
    }.get(code, f"the server answered {code}")
    return Failure(f"{masked(url)}: {reason}")
