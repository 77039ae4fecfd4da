"""The tables. Migrations in `migrations/versions` must lead here; a test compares the two.

What changes with every move is apart from what never does (`documents`), for databases rewrite whole rows.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from typing_extensions import override

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only under this exact name."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as whole microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


STEMS = (3, 10, 24)
"""Lengths, in characters, of the beginnings of names that are indexed in the order of `number`: with an index
of whole names, all that begin alike would have to be sorted."""


def stem_column(length: int) -> str:
    return f"name_{length}"


jobs = Table(
    "jobs",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("wanted", String(8), nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", String(255), nullable=False),
    Column("name", String(4096)),
    Column("created", Instant, nullable=False),
    Column("cores", Integer),  # as asked, for the queue
    Column("memory_gb", Double),
    Column("disk_gb", Double),
    Column("not_before", Instant),
    Column("progress", LargeBinary, nullable=False),  # codec.Progress
    Index(None, "state", "wanted", "number", "name"),  # a walk along a state checks names in the index
    *(
        Column(stem_column(length), String(length), Computed(f"substr(name, 1, {length})", persisted=False))
        for length in STEMS
    ),
    Index(None, "name", "number"),
    *(Index(None, stem_column(length), "number") for length in STEMS),
)

documents = Table(
    "documents",
    metadata,
    Column("number", Serial, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
    Column("document", LargeBinary, nullable=False),  # codec.Document
)

tags = Table(
    "tags",
    metadata,
    Column("key", String(256), primary_key=True),
    Column(
        "number", Serial, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("value", String(4096), nullable=False),
    Index(None, "key", "value", "number"),
    Index(None, "number"),
    sqlite_with_rowid=False,
)

changes = Table(
    "changes",
    metadata,
    Column("sequence", Serial, primary_key=True),
    Column("number", Serial, ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires", Instant, nullable=False),
)

once = Table(
    "once",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("number", Serial, ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Index(None, "number"),
)
