"""Request bodies: the media type is looked at first, and no more is read than may be."""

import re
from http import HTTPStatus
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException, HTTPException

from jobyard.domain.errors import TooLarge

_JSON = re.compile(r"(application|text)/([^\s;]+\+)?json|text/plain", re.IGNORECASE)


def header(request: Request[Any, Any, Any], name: bytes) -> str | None:
    """The first header of that lower-case name. Faster than the framework's map, which copies all."""
    for key, value in request.scope["headers"]:
        if key.lower() == name:
            return value.decode("latin-1").strip()
    return None


async def read_json(request: Request[Any, Any, Any], *, max_body: int) -> bytes:
    """The bytes of a body that says it is JSON, or plain text, or nothing (contract tes 5.9, 7.3).

    Raises `HTTPException` 415 for other media types and content encodings, `TooLarge` past `max_body` bytes.
    """
    media_type = header(request, b"content-type")
    if media_type and not _JSON.fullmatch(media_type.split(";", 1)[0].strip()):
        raise HTTPException(
            detail="the body must be JSON, with Content-Type: application/json",
            status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    encoding = header(request, b"content-encoding")
    if encoding and encoding.lower() != "identity":
        raise HTTPException(
            detail="compressed bodies are not accepted; leave Content-Encoding out",
            status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    announced = header(request, b"content-length")
    if announced and announced.isdecimal() and int(announced) > max_body:
        raise _too_large(max_body)
    return await _read(request, max_body)


async def _read(request: Request[Any, Any, Any], max_body: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise ClientException("the client went away before the end of the body")
        chunk = event["body"]
        size += len(chunk)
        if size > max_body:
            raise _too_large(max_body)
        chunks.append(chunk)
        if not event.get("more_body", False):
            return b"".join(chunks)


def _too_large(max_body: int) -> TooLarge:
    return TooLarge(f"the request body is larger than the limit of {max_body} bytes")
