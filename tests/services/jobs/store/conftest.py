"""Each test on SQLite and on PostgreSQL, in a database of its own, with a clock that it sets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from tests.postgresql import MISSING, private_server, programs

from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Chunk, DoneChunk, Job, Lease

_numbers = count()


@dataclass
class Clock:
    """Seconds since 1970."""

    now: float = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of the first database of a server."""
    found = programs()
    if found is None:
        pytest.skip(MISSING)
    with private_server(found) as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """URL of a new, empty database on the server."""
    name = f"test{next(_numbers)}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgresql.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/jobs.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[JobStore]:
    with JobStore(url, clock) as store:
        yield store


@pytest.fixture
def add(store: JobStore) -> Callable[..., Job]:
    """Add a job, and chunks of ten records to it."""

    def add(num_chunks: int | None = None, *, done: bool = True, bundle: str = "bundle", **options: object) -> Job:
        job = store.add_job("job", "", {"service": "sentiment"}, bundle, **options)  # type: ignore[arg-type]
        if num_chunks is not None:
            lease = leased(store, job_id=job.id)
            assert store.add_chunks(lease, chunks(0, num_chunks), done=done)
            store.release(lease)
        return job

    return add


def chunks(start: int, stop: int) -> list[Chunk]:
    """Chunks of ten records."""
    return [Chunk(number, 10 * number, 10, f"chunks/{number}") for number in range(start, stop)]


def leased(store: JobStore, worker: str = "worker", **options: object) -> Lease:
    """A lease that has to be there, for a minute."""
    lease = store.lease(worker, 60.0, **options)  # type: ignore[arg-type]
    assert lease is not None
    return lease


def answered(lease: Lease, num_bad: int = 1) -> DoneChunk:
    """What a worker says of a chunk."""
    assert lease.chunk is not None
    number, num = lease.chunk.number, lease.chunk.count
    return DoneChunk(number, num, f"output/{number}", "", num - num_bad, num_bad, 0.5)


def numbers(leases: list[Lease]) -> list[int | None]:
    """Of their chunks; None of other units."""
    return [None if lease.chunk is None else lease.chunk.number for lease in leases]
