"""What has been used on each day, in an SQLite file, so that quotas outlive the server and hold for several of them."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from .key_file import make_state_folder

_BUSY_TIMEOUT_S = 5.0
_KEPT = timedelta(days=400)
_TABLE = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, key_id TEXT NOT NULL, requests INTEGER NOT NULL, characters INTEGER NOT NULL,
    PRIMARY KEY (day, key_id)
) WITHOUT ROWID
"""


class UsageError(OSError):
    """The file can't be read or written."""


@dataclass(slots=True)
class Usage:
    """Of one key on one day."""

    requests: int = 0
    characters: int = 0


class UsageBook:
    """`usage.sqlite3` in a folder. Its methods block for a moment, and may be called from any thread.

    All raise UsageError if the file can't be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "usage.sqlite3"

    def of(self, day: date) -> dict[str, Usage]:
        """By key."""
        if not self._path.exists():
            return {}
        with self._open() as database:
            return _read(database, day)

    def add(self, used: Mapping[date, Mapping[str, Usage]], today: date) -> dict[str, Usage]:
        """Write down what has been used since the last time; what all servers together have used today."""
        rows = [
            (day.isoformat(), key_id, usage.requests, usage.characters)
            for day, by_key in used.items()
            for key_id, usage in by_key.items()
        ]
        with self._open() as database:
            database.executemany(
                "INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET requests = requests + excluded.requests, characters = characters + excluded.characters",
                rows,
            )
            database.execute("DELETE FROM usage WHERE day < ?", ((today - _KEPT).isoformat(),))
            return _read(database, today)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            make_state_folder(self._path.parent)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S)) as database, database:
                self._path.chmod(0o600)
                database.execute(_TABLE)
                yield database
        except (sqlite3.Error, OSError) as error:
            raise UsageError(f"{self._path}, where it is kept what keys have used: {error}") from error


def _read(database: sqlite3.Connection, day: date) -> dict[str, Usage]:
    rows = database.execute("SELECT key_id, requests, characters FROM usage WHERE day = ?", (day.isoformat(),))
    return {key_id: Usage(requests, characters) for key_id, requests, characters in rows}
