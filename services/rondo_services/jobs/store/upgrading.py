"""Brings a database to the tables of this version, whoever else opens it at the same moment.

Who changes `tables.py` adds a file to `migrations/versions`, and never changes one that was released; a test compares.
"""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ..errors import JobStoreError

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x526F6E646F  # "Rondo": names the lock among those of other programs on the same database
_alembic = threading.Lock()  # its environment is one for the whole process


def needs_upgrade(connection: Connection) -> bool:
    """Whether the database is empty or older.

    Raises:
        JobStoreError: it is newer, or was not made by Rondo.
    """
    scripts = ScriptDirectory.from_config(_config(connection))
    found = MigrationContext.configure(connection).get_current_revision()
    known = [script.revision for script in scripts.walk_revisions()]
    if found is not None and found not in known:
        raise JobStoreError(
            f"the job database has tables of version {found}, and this program knows those up to {known[0]}; "
            "run a Rondo at least as new as the one that wrote it, or name another database"
        )
    return found != known[0]


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction that has been begun on the connection.

    On SQLite that transaction has to be a writing one, so that a second process waits; PostgreSQL has a lock for it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    if not needs_upgrade(connection):  # another process did it while this one waited
        return
    with _alembic:
        command.upgrade(_config(connection), "head")


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
