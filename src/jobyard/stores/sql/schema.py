"""Brings a database to this release's schema, or says how to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from jobyard.domain.errors import Conflict
from jobyard.stores.sql.store import open_engine
from jobyard.stores.sql.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "20261124_first"
"""The newest revision; a test compares it with the migrations, which are slow to load at every start."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""As Alembic makes it."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def current(path: Path) -> str | None:
    """The revision of the database; None if there is no database or no schema in it."""
    if not path.exists():
        return None
    with _connected(path) as connection:
        return _revision(connection)


def check(path: Path) -> None:
    """Raises `Conflict`, naming the command that helps, unless the schema is this release's."""
    revision = current(path)
    if revision == HEAD:
        return
    if revision is None:
        raise Conflict("the database has no schema yet: run `jobyard db upgrade`")
    if _knows(revision):
        raise Conflict(f"the database has the older schema {revision}: run `jobyard db upgrade`")
    raise Conflict(
        f"the database has the schema {revision}, which this release does not know:"
        " run a newer release of Jobyard, or restore the database from a backup"
    )


def upgrade(path: Path) -> None:
    """Create the database, or bring it to this release's schema. Nothing happens to one that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    revision = current(path)
    if revision is None:
        _create(path)
    elif revision != HEAD:
        if not _knows(revision):
            check(path)
        migrate(path)


def _create(path: Path) -> None:
    """At once, without the migrations that lead to the same."""
    with _connected(path) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if _revision(connection) is None:  # else another process was quicker
            metadata.create_all(connection)
            _VERSION.create(connection)
            connection.execute(_VERSION.insert().values(version_num=HEAD))
        connection.exec_driver_sql("COMMIT")


def migrate(path: Path) -> None:
    """Through all migrations that the database has not seen; also from nothing, which only tests want."""
    from alembic import command

    with _connected(path) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _knows(revision: str) -> bool:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return revision in {script.revision for script in scripts.walk_revisions()}


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connected(path: Path) -> Iterator[Connection]:
    engine = open_engine(path)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(select(_VERSION.c.version_num)).scalar()
    return revision
