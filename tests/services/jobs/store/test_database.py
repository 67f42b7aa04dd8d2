"""Addresses are understood or refused with a reason, and trouble that passes is waited for."""

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import OperationalError
from tests.services.jobs.store.conftest import answered, chunks, leased

from rondo_services.errors import InvalidInput
from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.store import JobStore, database, leasing
from rondo_services.jobs.types import Job, StoredFile

AddJob = Callable[..., Job]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("jobs.db", "no address of a job database; give sqlite:///"),
        ("mysql://host/jobs", "can't be of kind 'mysql'; give sqlite:///"),
        ("postgresql+asyncpg://host/jobs", "can't be of kind"),
        ("sqlite://", "is a file, which several processes open"),
        ("sqlite:///:memory:", "is a file, which several processes open"),
        ("sqlite:////dev/null/jobs.db", "/dev/null/jobs.db can't be made"),
        ("postgresql://rondo:secret@127.0.0.1:1/jobs", r"rondo:\*\*\*@127.0.0.1:1/jobs can't be opened: .*refused"),
    ],
)
def test_addresses_that_can_not_be_used(url: str, reason: str) -> None:
    with pytest.raises(JobStoreError, match=reason) as caught:
        JobStore(url)
    assert "secret" not in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("Dear diary, " * 100)
    with pytest.raises(JobStoreError, match="file is not a database"):
        JobStore(f"sqlite:///{tmp_path}/jobs.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_schemes_of_postgresql(scheme: str, postgresql_url: str) -> None:
    with JobStore(postgresql_url.replace("postgresql", scheme, 1)) as store:
        assert store.jobs(None, None) == []


def test_the_database_is_for_its_owner_and_has_a_log(tmp_path: Path) -> None:
    with JobStore(f"sqlite:///{tmp_path}/new/state/jobs.db") as store:
        store.add_job("job", "", {}, "bundle")
        folder = tmp_path / "new" / "state"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
            "jobs.db": 0o600,
            "jobs.db-wal": 0o600,
            "jobs.db-shm": 0o600,
        }


def test_reading_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with JobStore(f"sqlite:///{path}") as store:
        job = store.add_job("job", "", {}, "bundle")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert store.job(job.id) == job
        other.close()


def test_a_writer_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also once SQLite itself has stopped waiting."""
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    path = tmp_path / "jobs.db"
    with JobStore(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.close)
        timer.start()
        store.add_job("job", "", {}, "bundle")
        timer.join()
        assert len(store.jobs("job", "")) == 1


def test_a_writer_does_not_wait_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    path = tmp_path / "jobs.db"
    with JobStore(f"sqlite:///{path}") as store:
        monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JobStoreError, match=r"jobs\.db failed: database is locked"):
            store.add_job("job", "", {}, "bundle")
        other.close()


def test_connections_that_were_cut_are_made_again(postgresql_url: str) -> None:
    with JobStore(postgresql_url) as store:
        job = store.add_job("job", "", {}, "bundle")
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            assert other.execute(f"{cut} AND pid <> pg_backend_pid()").fetchone() == (1,)
        assert store.job(job.id) == job


def test_a_connection_that_is_cut_while_it_waits_is_made_again(postgresql_url: str) -> None:
    with JobStore(postgresql_url) as store, psycopg.connect(postgresql_url) as other:
        job = store.add_job("job", "", {}, "bundle")
        other.execute("SELECT FROM jobs FOR UPDATE")

        def cut() -> None:
            with psycopg.connect(postgresql_url, autocommit=True) as third:
                waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                while third.execute(f"SELECT pg_terminate_backend(pid) {waiting}").fetchone() is None:
                    pass
            other.rollback()

        thread = threading.Thread(target=cut)
        thread.start()
        cancelled = store.cancel(job.id)
        thread.join()
        assert cancelled is not None
        assert cancelled.state == "cancelled"


def test_a_lock_is_not_waited_for_forever(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.01)
    monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
    with JobStore(postgresql_url) as store, psycopg.connect(postgresql_url) as other:
        job = store.add_job("job", "", {}, "bundle")
        other.execute("SELECT FROM jobs FOR UPDATE")
        with pytest.raises(JobStoreError, match="lock timeout"):
            store.cancel(job.id)


def test_terms_of_the_connection_may_be_in_the_address(postgresql_url: str) -> None:
    with pytest.raises(JobStoreError, match="bad value for connect_timeout: 'soon'"):
        JobStore(postgresql_url + "&connect_timeout=soon")


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_characters_that_no_database_keeps(text: str, store: JobStore, add: AddJob) -> None:
    """PostgreSQL refused NUL, and both refused surrogates, as if the database had broken."""
    assert store.job(text) is None
    assert store.file(text) is None
    assert store.cancel(text) is None
    assert not store.delete_job(text)
    with pytest.raises(InvalidInput):
        store.files("", after=text)
    job = add(metadata={"note": text})
    assert store.job(job.id).metadata == {"note": text}  # type: ignore[union-attr]
    assert store.fail(leased(store), f"line {text}")
    error = store.job(job.id).error  # type: ignore[union-attr]
    assert error is not None
    assert error.startswith("line ")
    assert "\ufffd" in error


def test_a_result_has_to_be_json(store: JobStore, add: AddJob) -> None:
    add(0)
    lease = leased(store)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.finish(lease, {"bleu": float("nan")})
    assert store.finish(lease, {"bleu": None})


@pytest.fixture
def lose_next_commit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Let the connection break after the next commit, before the answer to it."""
    losing: list[bool] = []
    commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        commit(self, connection)
        if losing:
            losing.clear()
            broken: type[Exception] = self.loaded_dbapi.OperationalError
            raise broken("the connection is lost")

    monkeypatch.setattr(DefaultDialect, "do_commit", do_commit)
    yield lambda: losing.append(True)
    assert not losing


def test_what_was_committed_though_nobody_heard_is_not_lost(
    store: JobStore, lose_next_commit: Callable[[], None]
) -> None:
    """A worker is told "lost" of a chunk that is done only if another did it: it deletes its output then."""
    lose_next_commit()
    job = store.add_job("job", "", {}, "bundle")
    assert [job.id for job in store.jobs("job", "")] == [job.id]

    plan = leased(store)
    lose_next_commit()
    assert store.add_chunks(plan, chunks(0, 2), done=False)
    lose_next_commit()
    assert store.add_chunks(plan, [], done=True)
    assert store.num_open_chunks(job.id) == 2

    for _ in range(2):
        lease = leased(store)
        lose_next_commit()
        assert store.complete(lease, answered(lease))
    counted = store.job(job.id)
    assert counted is not None
    assert (counted.num_planned, counted.num_answered, counted.num_bad) == (20, 18, 2)

    finish = leased(store)
    lose_next_commit()
    assert store.finish(finish, {"files": 1})
    lose_next_commit()
    assert store.delete_job(job.id)

    lose_next_commit()
    store.add_file(StoredFile("file-1", "", "a", "batch", 1, 0.0, None, ""))
    lose_next_commit()
    assert store.delete_file("file-1")


def test_a_lease_that_nobody_heard_of_is_given_again(
    store: JobStore, add: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker would extend it, and nobody answer it, forever."""
    add(2)
    found = {}
    lease_unit = leasing.lease_unit

    def lose_commit(connection: Connection, again: bool, token: str, *others: Any) -> Any:
        lease = lease_unit(connection, again, token, *others)
        if not again:
            connection.commit()
            raise database.UncertainCommit from OperationalError("COMMIT", None, RuntimeError("lost"))
        found[token] = lease
        return lease

    with monkeypatch.context() as patch:
        patch.setattr(leasing, "lease_unit", lose_commit)
        lease = leased(store)
    assert found == {lease.token: lease}
    assert lease.chunk is not None
    assert (lease.chunk.number, lease.attempt) == (0, 1)
    other = leased(store)
    assert other.chunk is not None
    assert other.chunk.number == 1


def test_a_failure_that_nobody_heard_of_is_not_lost(
    store: JobStore, add: AddJob, lose_next_commit: Callable[[], None]
) -> None:
    job = add()
    lease = leased(store)
    lose_next_commit()
    assert store.fail(lease, "broken")
    assert store.job(job.id).error == "broken"  # type: ignore[union-attr]
