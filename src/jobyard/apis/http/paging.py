"""Page tokens: a keyset, bound to the filters it was made for. Opaque to clients, no secret in it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from jobyard.domain.errors import Invalid, Problem

_NUMBER = 8
_LARGEST = 2**62
_DIGEST = 12


def page_token(last: int, filters: str) -> str:
    """`last` is the number of the page's last job; `filters` names everything that selects."""
    number = last.to_bytes(_NUMBER, "big")
    return urlsafe_b64encode(number + _digest(number, filters)).decode()


def read_page_token(token: str, filters: str) -> int:
    """The number that was put in. Raises `Invalid` if it was changed or made for other filters."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
    except ValueError as error:
        raise _invalid() from error
    number = raw[:_NUMBER]
    last = int.from_bytes(number, "big")
    if last > _LARGEST or raw[_NUMBER:] != _digest(number, filters):
        raise _invalid()
    return last


def _digest(number: bytes, filters: str) -> bytes:
    return blake2b(number + filters.encode("utf-8", "replace"), digest_size=_DIGEST).digest()


def _invalid() -> Invalid:
    msg = "invalid, or made for other filters: start again without it"
    return Invalid(f"page_token: {msg}", [Problem("page_token", msg)])
