"""Which FTP server a URL means, and which file there. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from jobyard.domain.errors import Failure
from jobyard.domain.files import masked

Tls = Literal["none", "explicit", "implicit"]
"""`explicit` begins in the clear and goes on with TLS before the login."""

ANONYMOUS = "anonymous@"
"""The password of those who have none."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    host: str
    port: int
    tls: Tls = "none"
    user: str = "anonymous"
    password: str = field(default=ANONYMOUS, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or directory, and who asks for it."""

    server: Server
    path: str
    """Absolute, as the server sees it."""
    user: str
    password: str = field(repr=False)


def default_port(tls: Tls) -> int:
    return 990 if tls == "implicit" else 21


def prefixes(servers: Sequence[Server]) -> Sequence[str]:
    """What URLs of files on the servers begin with."""
    return tuple(
        f"{scheme}://{_address(server)}/"
        for server in servers
        for scheme in (("ftp",) if server.tls == "none" else ("ftp", "ftps"))
    )


def _address(server: Server) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return host if server.port == default_port(server.tls) else f"{host}:{server.port}"


def locate(servers: Sequence[Server], url: str) -> File:
    """The login that the URL holds wins. Raises `Failure` where there is no such server."""
    try:
        parts = urlsplit(url, allow_fragments=False)
        host, port = parts.hostname, parts.port
        path = unquote(parts.path + (f"?{parts.query}" if parts.query else ""), errors="strict")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError as error:
        raise Failure(f"{masked(url)}: no URL of a file on an FTP server") from error
    server = next(
        (it for it in servers if it.host.lower() == host and it.port == (port or default_port(it.tls))), None
    )
    if server is None:
        raise Failure(f"{masked(url)}: URL storage not configured: the server {host} is not in [ftp]")
    if parts.scheme.lower() == "ftps" and server.tls == "none":
        raise Failure(f"{masked(url)}: {host} is configured without TLS (`tls` in [ftp])")
    if _CONTROL.search(path + user + password) or {".", ".."} & set(path.split("/")):
        raise Failure(f"{masked(url)}: no path that can be asked for")
    if user:
        return File(server=server, path=path, user=user, password=password)
    return File(server=server, path=path, user=server.user, password=server.password)
