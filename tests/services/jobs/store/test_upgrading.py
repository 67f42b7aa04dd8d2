"""Opening a database makes its tables, once, and knows one that is too new."""

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.store import JobStore, tables


def _open_and_add(url: str) -> None:
    with JobStore(url) as store:
        store.add_job("job", "", {}, "bundle")


def _engine_url(url: str) -> str:
    return url.replace("postgresql", "postgresql+psycopg", 1)


def test_migrations_make_the_tables_that_the_code_expects(url: str) -> None:
    JobStore(url).close()
    engine = create_engine(_engine_url(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        found = inspect(connection)
        for table in tables.metadata.tables.values():
            indexes = {index["name"]: index for index in found.get_indexes(table.name)}
            for index in table.indexes:
                conditions = indexes[str(index.name)].get("dialect_options", {})
                expected = index.dialect_options[connection.dialect.name]["where"]
                assert (conditions.get(f"{connection.dialect.name}_where") is None) == (expected is None)
    engine.dispose()


def test_what_is_there_stays(url: str) -> None:
    _open_and_add(url)
    _open_and_add(url)
    with JobStore(url) as store:
        assert len(store.jobs("job", "")) == 2


def test_a_newer_database_is_refused(url: str) -> None:
    JobStore(url).close()
    engine = create_engine(_engine_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(JobStoreError, match=r"version 9999, and this program knows those up to 0001; run a Rondo"):
        JobStore(url)


def test_several_processes_may_open_a_new_database_at_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_and_add, args=(url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with JobStore(url) as store:
        assert len(store.jobs("job", "")) == 3


def test_a_folder_with_a_percent_sign(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("100%s")
    with JobStore(f"sqlite:///{folder}/jobs.db") as store:
        assert store.jobs(None, None) == []
    assert (folder / "jobs.db").is_file()
