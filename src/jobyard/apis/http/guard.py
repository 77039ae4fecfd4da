"""Keeps web pages of others from using a service that asks nobody for a login.

A browser runs what any page says, beside this service or even on the same machine. It tells in `Origin` and
`Sec-Fetch-Site` whose page it was; and in `Host` by which name the page called the service, which a page can
let mean this machine (DNS rebinding). Programs send none of the first two and the right third.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from jobyard.apis.http.body import header
from jobyard.domain.errors import Denied

Guard = Callable[[Request[Any, Any, Any]], Awaitable[None]]
"""Raises `Denied`."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def guard_against_pages(names: Collection[str] | None) -> Guard:
    """`names` are those of the service, beside `localhost` and addresses; None allows any."""
    known = None if names is None else frozenset({"localhost", *(name.lower() for name in names)})

    async def guard(request: Request[Any, Any, Any]) -> None:
        host = header(request, b"host")
        if known is not None and host is not None and not _is_known(host, known):
            raise Denied("the service is not known by this name; see server.allowed_hosts")
        if request.scope["method"] not in _SAFE and _is_of_a_foreign_page(request, host):
            raise Denied("pages of other web sites cannot change anything here")

    return guard


def _is_known(host: str, known: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in known or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:  # neither a name nor an address
        return False
    return True


def _is_of_a_foreign_page(request: Request[Any, Any, Any], host: str | None) -> bool:
    origin = header(request, b"origin")
    if origin is not None and origin.partition("://")[2] != host:
        return True
    return header(request, b"sec-fetch-site") in {"cross-site", "same-site"}
