"""Which jobs are on a page: a query whose cost does not grow with the number of jobs.

One condition leads: its index is walked from the newest job on, the others are checked on the way, and the
walk ends when the page is full. The condition that fewest jobs meet is the best leader; to find it, entries
of each index are counted, but no more of them than would take longer than a bad choice. What stays slow is a
pair of conditions that tens of thousands of jobs meet, each, and hardly any job both.

Statements are made once for each shape of query and take their values as parameters: making one costs more
than running it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    union_all,
)

from jobyard.domain.state import Standing
from jobyard.stores.base import Query
from jobyard.stores.sql.tables import STEMS, jobs, stem_column, tags

_FEW = 2_000
"""So many entries of an index are counted, or read and sorted, in a fraction of a millisecond."""
_MANY = 20_000
"""So many entries are counted where several conditions could lead."""

_LAST = chr(0x10FFFF)
_LONGER_THAN_ANY_NAME = 4097
_FIRST_SURROGATE, _SURROGATES = 0xD800, 0x800  # code points that are no characters
_NO_NUMBER = 2**62


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a query asks, without its values."""

    owned: bool
    prefixed: bool
    stem: int
    """Length of the indexed beginning of a name that the prefix fixes; 0 if it is too short for any."""
    standings: frozenset[Standing] | None
    tags: tuple[bool, ...]
    """For each tag, whether it has a value to match."""


class Page(NamedTuple):
    """The rows of a page, newest first, and the parameters of the statement."""

    statement: Select[Any]
    values: dict[str, object]


def bounded(query: Query) -> bool:
    """Whether the page is found in time proportional to its length, whatever is stored."""
    return not query.tags and not query.name_prefix and query.visible.owner is None


def page(connection: Connection, query: Query, columns: Select[Any]) -> Page:
    """`columns` is a SELECT from `jobs`, perhaps joined with others, without conditions. May ask the database
    for counts, unless the query is `bounded`.
    """
    shape = _Shape(
        owned=query.visible.owner is not None,
        prefixed=bool(query.name_prefix),
        stem=max((length for length in STEMS if length <= len(query.name_prefix)), default=0),
        standings=query.standings,
        tags=tuple(bool(value) for value in query.tags.values()),
    )
    values = _values(query, shape.stem)
    if bounded(query):
        return Page(_by_standing(columns, shape.standings), values)
    return Page(_led(columns, shape, _leader(connection, shape, values)), values)


class _Kind(Enum):
    TAG = auto()
    NAME = auto()
    """By its indexed beginning."""
    FEW_NAMES = auto()
    """All that have the prefix are read and sorted."""
    STANDINGS = auto()
    ALL = auto()
    """No condition leads: all jobs are walked."""


class _Lead(NamedTuple):
    kind: _Kind
    tag: int = 0
    """Which of the tags, if it is one."""


def _leader(connection: Connection, shape: _Shape, values: dict[str, object]) -> _Lead:
    leads = [_Lead(_Kind.TAG, index) for index in range(len(shape.tags))]
    if shape.prefixed:
        leads.append(_Lead(_Kind.FEW_NAMES))
    if shape.standings is not None:
        leads.append(_Lead(_Kind.STANDINGS))
    for most in (_FEW, _MANY) if len(leads) > 1 else (_FEW,):
        counts = [connection.execute(_count(shape, lead, most), values).scalar_one() for lead in leads]
        fewest = min(counts, default=most)
        if fewest < most:
            lead = leads[counts.index(fewest)]
            walked = lead.kind is _Kind.FEW_NAMES and fewest >= _FEW and shape.stem
            return _Lead(_Kind.NAME) if walked else lead
    # All conditions are met often. A prefix too short for an index of its own leads nowhere.
    if shape.tags:
        return leads[0]
    if shape.stem:
        return _Lead(_Kind.NAME)
    return _Lead(_Kind.ALL if shape.standings is None else _Kind.STANDINGS)


def _values(query: Query, stem: int) -> dict[str, object]:
    values: dict[str, object] = {
        "limit": query.limit,
        "before": _NO_NUMBER if query.before is None else query.before,
    }
    if query.visible.owner is not None:
        values["owner"] = query.visible.owner
    if query.name_prefix:
        values |= {"prefix": query.name_prefix, "prefix_end": _beyond(query.name_prefix)}
    if stem:
        values["stem"] = query.name_prefix[:stem]
    for index, (key, value) in enumerate(query.tags.items()):
        values[f"key_{index}"] = key
        if value:
            values[f"value_{index}"] = value
    return values


def _beyond(prefix: str) -> str:
    """The first text after all that begin so, in the order of code points."""
    stem = prefix.rstrip(_LAST)
    if not stem:
        return _LAST * _LONGER_THAN_ANY_NAME
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(following + _SURROGATES if following == _FIRST_SURROGATE else following)


@lru_cache(256)
def _by_standing(columns: Select[Any], standings: frozenset[Standing] | None) -> Select[Any]:
    return _cut(columns, jobs.c.number) if standings is None else _merged(columns, standings, ())


@lru_cache(256)
def _count(shape: _Shape, lead: _Lead, most: int) -> Select[Any]:
    """How many jobs meet a condition, up to `most`."""
    if lead.kind is _Kind.TAG:
        met = _tagged(lead.tag, valued=shape.tags[lead.tag])
    else:
        named = lead.kind is _Kind.FEW_NAMES
        met = select(jobs.c.number).where(_has_prefix() if named else _any_of(shape.standings or ()))
    return select(func.count()).select_from(met.limit(most).subquery())


@lru_cache(256)
def _led(columns: Select[Any], shape: _Shape, lead: _Lead) -> Select[Any]:
    conditions = _conditions(shape)
    match lead.kind:
        case _Kind.TAG:
            tagged = _tagged(lead.tag, valued=shape.tags[lead.tag])
            walked = tagged.join_from(tags, jobs, jobs.c.number == tags.c.number).where(*conditions)
            return _newest(columns, _cut(walked, tags.c.number).subquery())
        case _Kind.NAME:
            stem = jobs.c[stem_column(shape.stem)] == bindparam("stem")
            return _cut(columns.where(stem, *conditions), jobs.c.number)
        case _Kind.FEW_NAMES:
            few = select(jobs.c.number).where(_has_prefix()).subquery()
            return _newest(columns.where(*conditions), few)
        case _Kind.STANDINGS:
            others = _conditions(replace(shape, standings=None))
            return _merged(columns, shape.standings or frozenset(), others)
        case _Kind.ALL:
            return _cut(columns.where(*conditions), jobs.c.number)


def _merged(
    columns: Select[Any], standings: frozenset[Standing], conditions: Iterable[ColumnElement[bool]]
) -> Select[Any]:
    """One index range a standing, each cut to the page, then merged: no standing's bulk is ever sorted."""
    if len(standings) <= 1:
        return _cut(columns.where(_any_of(standings), *conditions), jobs.c.number)
    ranges = [
        select(
            _cut(select(jobs.c.number).where(_is(standing), *conditions), jobs.c.number).subquery().c.number
        )
        for standing in sorted(standings)
    ]
    return _newest(columns, union_all(*ranges).subquery())


def _newest(columns: Select[Any], chosen: Subquery) -> Select[Any]:
    """Of the chosen numbers."""
    return _cut(columns.join(chosen, jobs.c.number == chosen.c.number), chosen.c.number)


def _cut(statement: Select[Any], number: ColumnElement[int]) -> Select[Any]:
    """Newest first, older than the page before, as long as asked."""
    older = statement.where(number < bindparam("before"))
    return older.order_by(number.desc()).limit(bindparam("limit"))


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if shape.owned:
        conditions.append(jobs.c.owner == bindparam("owner"))
    if shape.prefixed:
        conditions.append(_has_prefix())
    if shape.standings is not None:
        conditions.append(_any_of(shape.standings))
    conditions.extend(
        select(1)
        .where(tags.c.number == jobs.c.number, _tag_is(index, valued=valued))
        .correlate(jobs)
        .exists()
        for index, valued in enumerate(shape.tags)
    )
    return conditions


def _tagged(index: int, *, valued: bool) -> Select[Any]:
    return select(tags.c.number).where(_tag_is(index, valued=valued))


def _tag_is(index: int, *, valued: bool) -> ColumnElement[bool]:
    key = tags.c.key == bindparam(f"key_{index}")
    return and_(key, tags.c.value == bindparam(f"value_{index}")) if valued else key


def _has_prefix() -> ColumnElement[bool]:
    """A range rather than LIKE: literal, case-sensitive, and an index range."""
    return and_(jobs.c.name >= bindparam("prefix"), jobs.c.name < bindparam("prefix_end"))


def _any_of(standings: Iterable[Standing]) -> ColumnElement[bool]:
    return or_(false(), *(_is(standing) for standing in sorted(standings)))


def _is(standing: Standing) -> ColumnElement[bool]:
    return and_(jobs.c.state == standing.state.value, jobs.c.wanted == standing.wanted.value)
