"""What is kept of files that users have to do with. Each function is a part of a transaction."""

from dataclasses import asdict, fields

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ...errors import InvalidInput
from ..types import StoredFile
from .tables import files

_COLUMNS = [files.c[field.name] for field in fields(StoredFile)]


def add_file(connection: Connection, file: StoredFile) -> None:
    """Keep a file, in place of one that had its id."""
    values = asdict(file)
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(files).values(values).on_conflict_do_update(index_elements=[files.c.id], set_=values))


def select_file(connection: Connection, file_id: str) -> StoredFile | None:
    """The file, if there is one."""
    row = connection.execute(select(*_COLUMNS).where(files.c.id == file_id)).mappings().one_or_none()
    return None if row is None else StoredFile(**row)


def list_files(
    connection: Connection, owner: str | None, purpose: str | None, after: str | None, limit: int
) -> list[StoredFile]:
    """A page, newest first.

    Raises:
        InvalidInput: no such file is called `after`.
    """
    query = select(*_COLUMNS).order_by(files.c.sequence.desc()).limit(limit)
    if owner is not None:
        query = query.where(files.c.owner == owner)
    if purpose is not None:
        query = query.where(files.c.purpose == purpose)
    if after is not None:
        last = connection.execute(query.with_only_columns(files.c.sequence).where(files.c.id == after)).scalar()
        if last is None:
            raise InvalidInput(f"there is no file {after!r} to go on after", field="after")
        query = query.where(files.c.sequence < last)
    return [StoredFile(**row) for row in connection.execute(query).mappings()]


def num_bytes(connection: Connection, owner: str | None) -> int:
    """Of all files together, or of those of an owner."""
    query = select(func.coalesce(func.sum(files.c.num_bytes), 0))
    if owner is not None:
        query = query.where(files.c.owner == owner)
    return int(connection.execute(query).scalar_one())


def expired_files(connection: Connection, now: float, limit: int) -> list[StoredFile]:
    """Those whose time is up, the oldest first."""
    query = select(*_COLUMNS).where(files.c.expires_at <= now).order_by(files.c.expires_at).limit(limit)
    return [StoredFile(**row) for row in connection.execute(query).mappings()]


def delete_file(connection: Connection, again: bool, file_id: str) -> bool:
    """Forget a file; whether there was one."""
    return connection.execute(delete(files).where(files.c.id == file_id)).rowcount > 0 or again
