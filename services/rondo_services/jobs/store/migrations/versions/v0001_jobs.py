"""Jobs, units and files."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "jobs",
        sa.Column("sequence", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("expires_at", sa.Float),
        sa.Column("num_planned", sa.Integer, nullable=False),
        sa.Column("all_planned", sa.Boolean, nullable=False),
        sa.Column("num_answered", sa.Integer, nullable=False),
        sa.Column("num_bad", sa.Integer, nullable=False),
        sa.Column("num_chunks", sa.Integer, nullable=False),
        sa.Column("num_open", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_owner", "jobs", ["kind", "owner", "sequence"])
    _create_partial_index("open_jobs", "jobs", ["sequence"], "ended_at IS NULL")
    op.create_index("jobs_by_end", "jobs", ["ended_at"])
    op.create_table(
        "units",
        sa.Column("job", _KEY, sa.ForeignKey("jobs.sequence", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rank", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("token", sa.Text),
        sa.Column("until", sa.Float),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("num_answered", sa.Integer, nullable=False),
        sa.Column("num_bad", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
    )
    op.create_index("open_units", "units", ["job", "done", "rank", "number"])
    _create_partial_index("leased_units", "units", ["worker"], "until IS NOT NULL")
    op.create_table(
        "files",
        sa.Column("sequence", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("num_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("name", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("files_by_owner", "files", ["owner", "sequence"])
    op.create_index("files_by_expiry", "files", ["expires_at"])


def _create_partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
