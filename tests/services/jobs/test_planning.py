import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest
from tests.services.jobs.store.conftest import Clock, answered, leased
from tests.services.jobs.working import add_job, records

from rondo_services.errors import InvalidInput
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.planning import chunk_file, delete_chunks, plan, planned_items
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Chunk, Job, Lease

TIMEOUT_S = 10.0


class Planner:
    """Plans with what a test is given."""

    def __init__(self, store: JobStore, files: StateFiles) -> None:
        self.store = store
        self.files = files

    def __call__(
        self, lease: Lease, items: Any, size: int = 4, stopped: Any = lambda: False, look_ahead: int = 64
    ) -> bool:
        return plan(lease, items, size, self.store, self.files, stopped, look_ahead)

    def chunks(self, job: Job) -> list[Chunk]:
        """All of them that wait, in order."""
        leases = []
        while (lease := self.store.lease("reader", 60.0, job_id=job.id, look_ahead=0)) and lease.chunk:
            leases.append(lease)
        return [lease.chunk for lease in leases if lease.chunk is not None]

    def items(self, job: Job) -> list[Item | BadItem]:
        """What is in the chunks."""
        return [item for chunk in self.chunks(job) for item in planned_items(chunk, self.files)]


@pytest.fixture
def planner(store: JobStore, files: StateFiles) -> Planner:
    return Planner(store, files)


@pytest.mark.parametrize(("num", "size", "sizes"), [(0, 4, []), (1, 4, [1]), (8, 4, [4, 4]), (9, 4, [4, 4, 1])])
def test_consecutive_records_make_a_chunk(
    planner: Planner, store: JobStore, num: int, size: int, sizes: Sequence[int]
) -> None:
    job = add_job(store)
    assert planner(leased(store), records(num), size)
    found = store.job(job.id)
    assert found is not None
    assert (found.all_planned, found.num_planned) == (True, num)
    chunks = planner.chunks(job)
    assert [chunk.count for chunk in chunks] == sizes
    assert [chunk.first for chunk in chunks] == list(range(0, num, size))
    assert [item for chunk in chunks for item in planned_items(chunk, planner.files)] == records(num)


def _long_items() -> list[Item | BadItem]:
    lengths = (400_000, 500_000, 100_000, 3, 2_000_000, 999_999, 1, 5)
    return [Item(index, index + 1, "x" * length) for index, length in enumerate(lengths)]


def test_long_records_make_smaller_chunks(planner: Planner, store: JobStore) -> None:
    """A small file of long lines that were all alike took gigabytes, as 10,000 of them were one chunk."""
    job = add_job(store)
    assert planner(leased(store), _long_items(), 10_000)
    chunks = planner.chunks(job)
    assert [chunk.count for chunk in chunks] == [3, 2, 2, 1]
    assert [item for chunk in chunks for item in planned_items(chunk, planner.files)] == _long_items()


@pytest.mark.parametrize("num_chunks", [1, 2, 3])
def test_chunks_of_long_records_are_the_same_wherever_it_goes_on(
    planner: Planner, store: JobStore, num_chunks: int
) -> None:
    job = add_job(store)
    lease = leased(store)
    assert not planner(lease, _long_items(), 10_000, lambda: store.num_open_chunks(job.id) == num_chunks)
    store.release(lease)
    assert planner(leased(store, look_ahead=100), _long_items(), 10_000)
    assert [chunk.count for chunk in planner.chunks(job)] == [3, 2, 2, 1]


def test_it_goes_on_where_it_was(planner: Planner, store: JobStore, clock: Clock) -> None:
    job = add_job(store)
    assert not planner(leased(store), records(20), 4, lambda: store.num_open_chunks(job.id) == 2)
    clock.now += 61
    again = leased(store)
    assert (again.kind, again.num_chunks, again.num_records) == ("plan", 2, 8)
    assert planner(again, records(20))
    assert planner.items(job) == records(20)


def test_the_input_is_read_no_further_than_chunks_may_be_open(planner: Planner, store: JobStore) -> None:
    job, read = add_job(store), []

    def items() -> Iterator[Item | BadItem]:
        for item in records(100):
            read.append(item)
            yield item

    stopped = threading.Event()
    thread = threading.Thread(daemon=True, target=planner, args=(leased(store), items(), 4, stopped.is_set, 3))
    thread.start()
    _wait_until(lambda: store.num_open_chunks(job.id) == 3)
    stopped.wait(0.1)
    assert len(read) == 16  # the fourth chunk waits
    one = leased(store, look_ahead=0)
    assert store.complete(one, answered(one))
    _wait_until(lambda: len(read) == 20)
    stopped.set()
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    assert store.num_open_chunks(job.id) == 3


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_is_stopped_reads_no_further(planner: Planner, store: JobStore) -> None:
    job = add_job(store)
    lease, read = leased(store), []

    def items() -> Iterator[Item | BadItem]:
        for item in records(1000):
            read.append(item)
            yield item

    assert not planner(lease, items(), size=1000, stopped=lambda: len(read) > 5)
    assert len(read) == 6
    assert planner.chunks(job) == []


def test_who_lost_the_lease_adds_nothing(planner: Planner, store: JobStore, clock: Clock) -> None:
    job = add_job(store)
    lost = leased(store)
    clock.now += 61
    leased(store, "another")
    assert not planner(lost, records(20))
    assert planner.items(job) == []


def test_who_waits_notices_that_the_lease_was_lost(planner: Planner, store: JobStore, clock: Clock) -> None:
    add_job(store)
    lease = leased(store)
    assert not planner(lease, _losing(clock), 4, look_ahead=2)


def _losing(clock: Clock) -> Iterator[Item | BadItem]:
    yield from islice(records(20), 8)
    clock.now += 61
    yield from records(20)[8:]


def test_what_was_read_before_an_input_breaks_off_is_planned(planner: Planner, store: JobStore) -> None:
    def items() -> Iterator[Item | BadItem]:
        yield from records(9)
        raise InvalidInput("line 10: damaged")

    job = add_job(store)
    with pytest.raises(InvalidInput, match="damaged"):
        planner(leased(store), items())
    found = store.job(job.id)
    assert found is not None
    assert (found.num_planned, found.all_planned) == (8, False)


def test_files_of_chunks_go_together(files: StateFiles) -> None:
    for job in ("job_1", "job_2"):
        files.write(chunk_file(job, "in", 0), b"")
        files.write(chunk_file(job, "out", 12, "token"), b"")
        files.write(f"jobs/{job}/predictions.jsonl", b"")
    delete_chunks("job_1", files)
    assert len(list(files.names())) == 4
    assert list(files.names("jobs/job_1")) == ["jobs/job_1/predictions.jsonl"]


def test_answers_under_another_lease_are_another_file() -> None:
    names = {chunk_file("job", "out", 1, "a"), chunk_file("job", "out", 1, "b"), chunk_file("job", "bad", 1, "a")}
    assert len(names) == 3
