"""Transactions on SQLite or PostgreSQL: opened, begun, tried again where that helps. Knows no table.

SQLite keeps a write-ahead log and does not wait for the disk at each commit (`synchronous=NORMAL`): a process that is
killed loses nothing that it committed, as the operating system has it; only a loss of power can undo the last commits,
and never half of one.
"""

import json
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from ...access.key_file import make_state_folder
from ..errors import JobStoreError
from .upgrading import needs_upgrade, upgrade

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PATIENCE_S = 20.0
"""So long an operation is tried again."""

_BUSY_S = 10.0
"""So long the database itself waits for others that write."""

_FORMS = "sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host/database"
_POSTGRESQL = ("postgresql+psycopg", "postgresql", "postgres")
_SQLITE = ("sqlite", "sqlite+pysqlite")
_PASSING_STATES = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")
"""PostgreSQL: could not serialize, deadlock, lock, stopping (three), too many connections; see also class 08."""

_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6

_PROMPT = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""PostgreSQL: a server that has vanished is noticed within a minute; the URL may say otherwise."""

_json = partial(json.dumps, allow_nan=False)


class UncertainCommit(Exception):
    """The connection was lost while a transaction was being committed; it may have been, or not."""


class Database:
    """A database whose tables are those of this version. Thread-safe.

    Args:
        url: `sqlite:///…`, or `postgresql://…` (also `postgres://…`), which psycopg 3 connects to.

    Raises:
        JobStoreError: the URL is no such one, nothing answers there, or its tables are newer than this program.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._is_sqlite = self._url.drivername == "sqlite"
        self._engine = _sqlite(self._url) if self._is_sqlite else _postgresql(self._url)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def read(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work(connection, …)` returns; it only reads, and may be called several times.

        Raises:
            JobStoreError: the database does not answer, or refuses.
        """
        return self._patiently(lambda again: self._once("DEFERRED", work, *args, **kwargs))

    def write(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """As `read`, in a transaction that may write; for what does no harm if it is done twice."""
        return self._patiently(lambda again: self._once("IMMEDIATE", work, *args, **kwargs))

    def write_once(
        self, work: Callable[Concatenate[Connection, bool, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """As `write`; `work(connection, again, …)` is told whether it may have been committed before."""
        return self._patiently(lambda again: self._once("IMMEDIATE", work, again, *args, **kwargs))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _once(self, mode: str, work: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        with self._engine.connect().execution_options(rondo_mode=mode) as connection:
            result = work(connection, *args, **kwargs)
            try:
                connection.commit()
            except DBAPIError as error:
                raise UncertainCommit from error
            return result

    def _patiently(self, attempt: Callable[[bool], _T]) -> _T:
        give_up_at = time.monotonic() + _PATIENCE_S
        pause_s = 0.01
        again = False
        while True:
            try:
                return attempt(again)
            except UncertainCommit as uncertain:
                again = True
                error = uncertain.__cause__
                passing = True
            except SQLAlchemyError as other:
                if isinstance(other, StatementError) and isinstance(other.orig, ValueError):
                    raise other.orig from None  # a value that can't be kept, such as not-a-number in JSON
                error = other
                passing = _is_passing(other)
            if not passing or time.monotonic() > give_up_at:
                raise JobStoreError(f"the job database {self._name()} failed: {_reason(error)}") from error
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # apart from others that met the same trouble
            pause_s = min(2 * pause_s, 1.0)

    def _prepare(self) -> None:
        try:
            with self._engine.connect():  # what is wrong with the address is told at once, not after the patience
                pass
        except SQLAlchemyError as error:
            raise JobStoreError(
                f"the job database {self._name()} can't be opened: {_reason(error)}; "
                "look whether it is there, whether it may be written, and whether name and password are right"
            ) from error
        if self._is_sqlite:
            self._patiently(lambda again: self._use_log())
        if self.read(needs_upgrade):
            self.write(upgrade)

    def _use_log(self) -> None:
        """The mode stays with the file; changing it asks for nobody else to be there, so it is changed only once."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def _name(self) -> str:
        return self._url.render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise JobStoreError(f"{url!r} is no address of a job database; give {_FORMS}") from error
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername=_POSTGRESQL[0])
    if parsed.drivername in _SQLITE:
        if parsed.database in (None, "", ":memory:") or (parsed.database or "").startswith("file:"):
            raise JobStoreError("a job database in SQLite is a file, which several processes open; give " + _FORMS)
        return parsed.set(drivername=_SQLITE[0])
    raise JobStoreError(f"a job database can't be of kind {parsed.drivername!r}; give {_FORMS}")


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        make_state_folder(path.parent)
        with suppress(FileExistsError):  # SQLite gives the files of its log the mode of this one
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise JobStoreError(f"the job database {path} can't be made: {error}") from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_S}, json_serializer=_json)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not before some statements by the driver
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(f"BEGIN {options.get('rondo_mode', 'DEFERRED')}")

    return engine


def _postgresql(url: URL) -> Engine:
    asked = url.update_query_dict({name: value for name, value in _PROMPT.items() if name not in url.query})
    try:
        engine = create_engine(asked, pool_pre_ping=True, json_serializer=_json)
    except ImportError as error:
        raise JobStoreError("PostgreSQL needs psycopg: pip install 'rondo-nlp[postgresql]'") from error

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        connection.execute(f"SET lock_timeout = {int(1000 * _BUSY_S)}")
        # What a process that was stopped has locked is free again, and it is told so when it goes on.
        connection.execute("SET idle_in_transaction_session_timeout = 60000")
        connection.commit()

    return engine


def _is_passing(error: SQLAlchemyError) -> bool:
    """Whether the same may succeed in a moment."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # psycopg could not connect, or lost the connection before the server said anything
        return type(error.orig).__name__ == "OperationalError"
    return state in _PASSING_STATES or state.startswith("08")


def _reason(error: BaseException | None) -> str:
    return str(getattr(error, "orig", error)).strip()
