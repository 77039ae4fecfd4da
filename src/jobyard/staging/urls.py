"""The little that staging knows of URLs. Pure."""

import os
import re
from urllib.parse import quote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LITERAL = frozenset({"s3"})
"""Schemes whose URLs are names as they stand, not percent-encoded."""
_SAFE = "/!$&'()*+,;=:@~"


def scheme_of(url: str) -> str:
    """In lower case. A bare absolute path is a file (contract tes 5.4)."""
    if url.startswith("/"):
        return "file"
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else ""


def child(url: str, name: str) -> str:
    """The URL of a relative path below the directory `url`; percent-encoded where such URLs are."""
    literal = url.startswith("/") or scheme_of(url) in _LITERAL
    return f"{url.rstrip('/')}/{name if literal else quote(os.fsencode(name), safe=_SAFE)}"


def printable(text: str) -> str:
    """Without what is no Unicode: names of files may be any bytes."""
    return os.fsencode(text).decode(errors="replace")
