"""The little that staging knows of URLs. Pure."""

import os
import re
from urllib.parse import quote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SAFE = "/!$&'()*+,;=:@~"


def scheme_of(url: str) -> str:
    """In lower case. A bare absolute path is a file (contract tes 5.4)."""
    if url.startswith("/"):
        return "file"
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else ""


def child(url: str, name: str) -> str:
    """The URL of a relative path below the directory `url`; percent-encoded unless that is a bare path."""
    encoded = name if url.startswith("/") else quote(os.fsencode(name), safe=_SAFE)
    return f"{url.rstrip('/')}/{encoded}"


def printable(text: str) -> str:
    """Without what is no Unicode: names of files may be any bytes."""
    return os.fsencode(text).decode(errors="replace")
