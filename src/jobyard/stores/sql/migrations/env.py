"""Runs the migrations on the connection that `schema.upgrade` gives. Not to be run by itself."""

from alembic import context

from jobyard.stores.sql.tables import metadata

connection = context.config.attributes["connection"]
connection.exec_driver_sql("BEGIN IMMEDIATE")
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False
)
context.run_migrations()
connection.exec_driver_sql("COMMIT")
