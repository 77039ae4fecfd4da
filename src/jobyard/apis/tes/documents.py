"""JSON documents as clients send them: what is wrong with one is told with line and column."""

import re

import msgspec

from jobyard.domain.errors import Invalid

MAX_DEPTH = 32

_BOM = b"\xef\xbb\xbf"
_BYTE = re.compile(r"\(byte (\d+)\)$")


def read_document(body: bytes) -> object:
    """The value in a body. Raises `Invalid` for what is not one JSON document, or nested too deeply."""
    body = body.removeprefix(_BOM)
    if not body or body.isspace():
        raise Invalid("request body is empty")
    try:
        document: object = msgspec.json.decode(body)
    except RecursionError as error:
        raise _too_deep() from error
    except UnicodeDecodeError as error:
        raise Invalid(f"invalid JSON {_place(body, _undecodable(body))}: not UTF-8") from error
    except msgspec.DecodeError as error:
        raise _malformed(body, str(error)) from error
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(document, MAX_DEPTH):
        raise _too_deep()
    return document


def _malformed(body: bytes, complaint: str) -> Invalid:
    found = _BYTE.search(complaint)
    if found:
        what = complaint[: found.start()].removeprefix("JSON is malformed: ").strip()
        offset = int(found[1]) - (what == "trailing characters")  # there it names the byte behind
        return Invalid(f"invalid JSON {_place(body, offset)}: {what}")
    if "truncated" in complaint:
        return Invalid(f"invalid JSON {_place(body, len(body))}: it ends too early")
    return Invalid(f"invalid JSON: {complaint.partition(' - ')[0].lower()}")  # a number that is out of range


def _place(body: bytes, offset: int) -> str:
    before = body[:offset]
    return f"at line {before.count(10) + 1} column {offset - (before.rfind(10) + 1) + 1}"


def _undecodable(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _deeper_than(document: object, depth: int) -> bool:
    level = [document]
    for _ in range(depth):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep() -> Invalid:
    return Invalid(f"the document is nested deeper than {MAX_DEPTH} levels")
