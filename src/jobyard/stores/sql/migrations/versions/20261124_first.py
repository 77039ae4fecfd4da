"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_first"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.String(length=8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=4096), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=True),
        sa.Column("memory_gb", sa.Double(), nullable=True),
        sa.Column("disk_gb", sa.Double(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("progress", sa.LargeBinary(), nullable=False),
        sa.Column("name_3", sa.String(3), sa.Computed("substr(name, 1, 3)", persisted=False)),
        sa.Column("name_10", sa.String(10), sa.Computed("substr(name, 1, 10)", persisted=False)),
        sa.Column("name_24", sa.String(24), sa.Computed("substr(name, 1, 24)", persisted=False)),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
    )
    op.create_index(op.f("ix_jobs_name_3_number"), "jobs", ["name_3", "number"], unique=False)
    op.create_index(op.f("ix_jobs_name_10_number"), "jobs", ["name_10", "number"], unique=False)
    op.create_index(op.f("ix_jobs_name_24_number"), "jobs", ["name_24", "number"], unique=False)
    op.create_index(op.f("ix_jobs_name_number"), "jobs", ["name", "number"], unique=False)
    op.create_index(
        op.f("ix_jobs_state_wanted_number_name"), "jobs", ["state", "wanted", "number", "name"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "changes",
        sa.Column("sequence", SERIAL, nullable=False),
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["jobs.number"], name=op.f("fk_changes_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_number"), "changes", ["number"], unique=False)
    op.create_table(
        "documents",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["jobs.number"], name=op.f("fk_documents_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_documents")),
    )
    op.create_table(
        "once",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("number", SERIAL, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["jobs.number"], name=op.f("fk_once_number"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_once")),
    )
    op.create_index(op.f("ix_once_number"), "once", ["number"], unique=False)
    op.create_table(
        "tags",
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("number", SERIAL, autoincrement=False, nullable=False),
        sa.Column("value", sa.String(length=4096), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["jobs.number"], name=op.f("fk_tags_number"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "number", name=op.f("pk_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_tags_key_value_number"), "tags", ["key", "value", "number"], unique=False)
    op.create_index(op.f("ix_tags_number"), "tags", ["number"], unique=False)
