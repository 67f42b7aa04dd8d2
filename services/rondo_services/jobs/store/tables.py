"""The tables as the code sees them. What makes them, and changes them later, is in `migrations/`.

A unit is whatever can be leased: a job has one to plan it, one for each chunk, and one to finish it. Their rank is the
order in which they are given out, so the index `open_units` has the next unit of a job right after those that are
leased, however many are done. It is no partial index, and the primary key has another order, as both databases chose
the key over a partial index and passed all chunks that were done. What is not done is deleted when the job ends.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
)
from sqlalchemy import Text as AnyText

from ..types import UnitKind

RANKS: dict[UnitKind, int] = {"plan": 0, "answer": 1, "finish": 2}
KINDS: dict[int, UnitKind] = {rank: kind for kind, rank in RANKS.items()}


class Text(TypeDecorator[str]):
    """Text in which characters that no database keeps, NUL and lone surrogates, are U+FFFD.

    No id has such characters, so whoever asks for one that has finds nothing.
    """

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is sent to the database."""
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode(errors="surrogatepass").decode(errors="replace")


metadata = MetaData()
_Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only columns of type INTEGER by itself

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", _Key, primary_key=True, autoincrement=True),  # later jobs have higher numbers
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("expires_at", Float),
    Column("num_planned", Integer, nullable=False, default=0),
    Column("all_planned", Boolean, nullable=False, default=False),
    Column("num_answered", Integer, nullable=False, default=0),
    Column("num_bad", Integer, nullable=False, default=0),
    Column("num_chunks", Integer, nullable=False, default=0),  # so far
    Column("num_open", Integer, nullable=False, default=0),  # chunks without an answer
    Column("error", Text),
    Column("metadata", JSON, nullable=False),
    Column("result", JSON(none_as_null=True)),
    sqlite_autoincrement=True,
)
Index("jobs_by_owner", jobs.c.kind, jobs.c.owner, jobs.c.sequence)
Index(
    "open_jobs",
    jobs.c.sequence,
    sqlite_where=jobs.c.ended_at.is_(None),
    postgresql_where=jobs.c.ended_at.is_(None),
)
Index("jobs_by_end", jobs.c.ended_at)

units = Table(
    "units",
    metadata,
    Column("job", _Key, ForeignKey("jobs.sequence", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # of the chunk; 0 for the others
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("done", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("worker", Text),
    Column("token", Text),  # stays when the unit is done
    Column("until", Float),  # of the lease; null: nobody has it
    Column("first", Integer, nullable=False, default=0),
    Column("count", Integer, nullable=False, default=0),
    Column("input", Text, nullable=False, default=""),
    Column("output", Text, nullable=False, default=""),
    Column("errors", Text, nullable=False, default=""),
    Column("num_answered", Integer, nullable=False, default=0),
    Column("num_bad", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("trouble", Text, nullable=False, default=""),  # why the last attempt was given up, if anybody said so
)
Index("open_units", units.c.job, units.c.done, units.c.rank, units.c.number)
Index(
    "leased_units",
    units.c.worker,
    sqlite_where=units.c.until.is_not(None),
    postgresql_where=units.c.until.is_not(None),
)

files = Table(
    "files",
    metadata,
    Column("sequence", _Key, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("name", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("files_by_owner", files.c.owner, files.c.sequence)
Index("files_by_expiry", files.c.expires_at)
