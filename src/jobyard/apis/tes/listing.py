"""The query of ListTasks and GetTask → what the service is asked (contract 1.3, 1.4, 7.4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from jobyard.apis.http.paging import read_page_token
from jobyard.apis.http.query import Parameters
from jobyard.apis.tes import wire
from jobyard.apis.tes.states import StateTable
from jobyard.domain.errors import Invalid, Problem
from jobyard.services.jobs import Listing

DEFAULT_PAGE_SIZE = 256
MAX_PAGE_SIZE = 2047

_MAX_INT32 = 2**31 - 1
_MAX_TAGS = 100
_DIGITS = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    view: wire.View
    page_size: int
    filters: str
    """Names all that selects; page tokens are bound to it."""
    listing: Listing | None
    """One more than a page, to know whether there is another. None if no task can match."""


@lru_cache(256)
def read_view(query: bytes) -> wire.View:
    """Raises `Invalid`."""
    return _view(Parameters(query))


def read_list(query: bytes, states: StateTable) -> ListRequest:
    """Raises `Invalid`."""
    parameters = Parameters(query)
    state = _state(parameters.last("state"))
    tags = _tags(parameters)
    name_prefix = parameters.last("name_prefix")
    page_size = _page_size(parameters.last("page_size"))
    filters = msgspec.json.encode(
        (name_prefix, state, sorted(tags.items()) if tags is not None else None)
    ).decode()
    token = parameters.last("page_token")
    before = read_page_token(token, filters) if token else None
    return ListRequest(
        view=_view(parameters),
        page_size=page_size,
        filters=filters,
        listing=None
        if tags is None
        else Listing(
            limit=page_size + 1,
            before=before,
            standings=None if state is None else states.standings[state],
            name_prefix=name_prefix,
            tags=tags,
        ),
    )


def _view(parameters: Parameters) -> wire.View:
    name = parameters.last("view").upper()
    if name and name not in wire.View.__members__:
        raise _invalid("view", "must be MINIMAL, BASIC or FULL")
    return wire.View[name] if name else wire.View.MINIMAL


def _state(name: str) -> wire.State | None:
    name = name.upper()
    if not name or name == wire.State.UNKNOWN:
        return None
    if name not in wire.State.__members__:
        raise _invalid("state", f"must be one of {', '.join(wire.State)}")
    return wire.State[name]


def _page_size(digits: str) -> int:
    if not digits:
        return DEFAULT_PAGE_SIZE
    if not _DIGITS.fullmatch(digits) or int(digits) > _MAX_INT32:
        raise _invalid("page_size", "must be an integer ≥ 0")
    return min(int(digits), MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def _tags(parameters: Parameters) -> Mapping[str, str] | None:
    """Keys and values, zipped by position. None if one key must have two values, which no task has."""
    keys = parameters.all("tag_key")
    values = parameters.all("tag_value")
    if len(values) > len(keys):
        raise _invalid("tag_value", "there are more values than keys")
    if len(keys) > _MAX_TAGS:
        raise _invalid("tag_key", f"there are more than {_MAX_TAGS}")
    if "" in keys:
        raise _invalid("tag_key", "must not be empty")
    tags: dict[str, str] = {}
    for index, key in enumerate(keys):
        value = values[index] if index < len(values) else ""
        if value and tags.get(key, "") not in ("", value):
            return None
        tags[key] = value or tags.get(key, "")
    return tags


def _invalid(name: str, msg: str) -> Invalid:
    return Invalid(f"{name}: {msg}", [Problem(name, msg)])
