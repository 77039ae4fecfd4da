"""The migrations lead where `tables.py` says, and a release works on its own schema only."""

import sqlite3
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from jobyard.domain.errors import Conflict
from jobyard.stores.base import Visibility
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore, open_engine
from jobyard.stores.sql.tables import metadata
from jobyard.testing.samples import sample_job


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "jobs.db"


def dump(path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def mark(path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def shapes(path) -> dict[str, set[tuple[object, ...]]]:
    """What SQLite says of each table: columns with types and keys, indexes, foreign keys."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: {
                (pragma, *row[1:])
                for pragma in ("table_info", "index_list", "foreign_key_list")
                for row in connection.execute(f"PRAGMA {pragma}({table})")
            }
            for table in tables
            if table != "sqlite_sequence"
        }


def test_the_migrations_lead_to_the_tables(path) -> None:
    path.parent.mkdir()
    schema.migrate(path)
    engine = open_engine(path)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
    finally:
        engine.dispose()


def test_a_migrated_database_is_as_a_new_one(path, tmp_path) -> None:
    path.parent.mkdir()
    schema.migrate(path)
    new = tmp_path / "new.db"
    schema.upgrade(new)
    assert shapes(path) == shapes(new)
    assert schema.current(path) == schema.current(new) == schema.HEAD


def test_the_head_that_is_checked_at_each_start_is_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(schema._config())
    assert scripts.get_heads() == [schema.HEAD]


def test_every_migration_follows_the_one_before() -> None:
    scripts = ScriptDirectory.from_config(schema._config())
    newest_first = [script.revision for script in scripts.walk_revisions()]
    assert newest_first == sorted(newest_first, reverse=True)


def test_an_upgraded_database_is_accepted(path) -> None:
    assert schema.current(path) is None
    schema.upgrade(path)
    assert schema.current(path) == schema.HEAD
    schema.check(path)


@pytest.mark.parametrize("made", ["nothing", "empty", "foreign"])
def test_a_database_without_schema_is_refused_with_the_command_that_helps(path, made) -> None:
    if made != "nothing":
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 1" if made == "empty" else "CREATE TABLE theirs (x)")
            connection.commit()
    with pytest.raises(Conflict, match="no schema yet: run `jobyard db upgrade`"):
        schema.check(path)
    assert path.exists() == (made != "nothing")


def test_a_newer_or_unknown_schema_is_refused_and_left_alone(path) -> None:
    schema.upgrade(path)
    mark(path, "29991231_later")
    before = dump(path)
    for ask in (schema.check, schema.upgrade):
        with pytest.raises(Conflict, match=r"29991231_later.*newer release"):
            ask(path)
    assert dump(path) == before


def test_an_older_schema_is_refused_with_the_command_that_helps(path, monkeypatch) -> None:
    schema.upgrade(path)
    monkeypatch.setattr(
        schema, "HEAD", "29991231_later"
    )  # as the next release will have it: there is one revision yet
    with pytest.raises(Conflict, match=r"older schema.*run `jobyard db upgrade`"):
        schema.check(path)


async def test_an_upgrade_of_a_current_database_changes_nothing(path) -> None:
    schema.upgrade(path)
    store = SqlStore(path)
    job = await store.create(sample_job(tags={"k": "v"}))
    await store.close()
    before = dump(path)
    schema.upgrade(path)
    assert dump(path) == before
    store = SqlStore(path)
    assert await store.get(job.id, Visibility()) == job
    await store.close()
