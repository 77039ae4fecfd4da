"""Which jobs are on a page: a query whose cost does not grow with the number of jobs.

Jobs are walked in one index's order and the other conditions are checked on the way. That is quick as long
as the conditions are met often; where one is met rarely, its own index is read whole and sorted. `page` asks
the indexes, each for a bounded count, which is the case. What stays slow is a pair of conditions that tens of
thousands of jobs meet, each, and hardly any job both.

Statements are made once for each shape of query and take their values as parameters: making one costs more
than running it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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

_RARE = 20_000
"""So many entries of an index are read and sorted in a few milliseconds: less than a walk may take that looks
for several conditions at once."""
_RARE_ALONE = 2_000
"""The same for one condition, for which a walk along its index looks at little else."""

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
    return Page(_filtered(columns, shape, _rare(connection, shape, values)), values)


def _rare(connection: Connection, shape: _Shape, values: dict[str, object]) -> int | None:
    """The first source with few entries. One tag alone is walked in any case: all its entries are met."""
    sources = len(_sources(shape))
    if sources == 1 and shape.tags and not shape.owned:
        return None
    most = _RARE_ALONE if sources == 1 else _RARE
    for source in range(sources):
        if connection.execute(_count(shape, source, most), values).scalar_one() < most:
            return source
    return None


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
    """One index range a standing, each cut to the page, then merged: no standing's bulk is ever sorted."""
    if standings is None:
        return _cut(columns, jobs.c.number)
    if len(standings) <= 1:
        return _cut(columns.where(_any_of(standings)), jobs.c.number)
    ranges = [
        select(_cut(select(jobs.c.number).where(_is(standing)), jobs.c.number).subquery().c.number)
        for standing in sorted(standings)
    ]
    return _newest(columns, union_all(*ranges).subquery())


@lru_cache(256)
def _count(shape: _Shape, source: int, most: int) -> Select[Any]:
    return select(func.count()).select_from(_sources(shape)[source].limit(most).subquery())


@lru_cache(256)
def _filtered(columns: Select[Any], shape: _Shape, rare: int | None) -> Select[Any]:
    """Through the entries of a rare source, or else along the first tag, names that begin alike, all jobs."""
    conditions = _conditions(shape)
    if rare is not None:
        return _newest(columns.where(*conditions), _sources(shape)[rare].subquery())
    if shape.tags:
        tagged = _tagged(0, valued=shape.tags[0]).join_from(tags, jobs, jobs.c.number == tags.c.number)
        return _newest(columns, _cut(tagged.where(*conditions), tags.c.number).subquery())
    if shape.stem:
        conditions.append(jobs.c[stem_column(shape.stem)] == bindparam("stem"))
    return _cut(columns.where(*conditions), jobs.c.number)


def _newest(columns: Select[Any], chosen: Subquery) -> Select[Any]:
    """Of the chosen numbers."""
    return _cut(columns.join(chosen, jobs.c.number == chosen.c.number), chosen.c.number)


def _cut(statement: Select[Any], number: ColumnElement[int]) -> Select[Any]:
    """Newest first, older than the page before, as long as asked."""
    older = statement.where(number < bindparam("before"))
    return older.order_by(number.desc()).limit(bindparam("limit"))


def _sources(shape: _Shape) -> list[Select[Any]]:
    """For each condition that has an index, the numbers that meet it."""
    sources = [_tagged(index, valued=valued) for index, valued in enumerate(shape.tags)]
    if shape.prefixed:
        sources.append(select(jobs.c.number).where(_has_prefix()))
    if shape.standings is not None:
        sources.append(select(jobs.c.number).where(_any_of(shape.standings)))
    return sources


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
