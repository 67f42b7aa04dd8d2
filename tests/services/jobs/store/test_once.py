"""What is kept of a job once, whoever says it first."""

from collections.abc import Callable
from dataclasses import replace

from tests.services.jobs.store.conftest import Clock, leased

from rondo_services.jobs.store import JobStore, new_file_id
from rondo_services.jobs.types import Job, StoredFile

AddJob = Callable[..., Job]


def _file() -> StoredFile:
    return StoredFile(new_file_id(), "shop", "a", "batch_output", 1, 5.0, None, "files/1")


def _metadata(store: JobStore, job: Job) -> dict[str, object]:
    found = store.job(job.id)
    assert found is not None
    return dict(found.metadata)


def test_the_first_moment_stays(store: JobStore, add: AddJob, clock: Clock) -> None:
    job, first = add(metadata={"endpoint": "/v1/sentiment"}), clock.now
    store.note(job.id, "finalizing_at")
    clock.now += 5
    store.note(job.id, "finalizing_at")
    assert _metadata(store, job) == {"endpoint": "/v1/sentiment", "finalizing_at": first}
    store.note("job_0", "finalizing_at")


def test_a_job_that_has_ended_has_no_new_moments(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add()
    store.cancel(job.id)
    store.note(job.id, "finalizing_at")
    assert _metadata(store, job) == {"cancelling_at": clock.now}


def test_a_job_is_cancelled_when_that_was_first_asked_for(store: JobStore, add: AddJob, clock: Clock) -> None:
    job, first = add(1), clock.now
    lease = leased(store)
    for _ in range(2):
        cancelling = store.cancel(job.id)
        clock.now += 5
    assert cancelling is not None
    assert (cancelling.state, cancelling.metadata) == ("cancelling", {"cancelling_at": first})
    store.release(lease)
    cancelled = store.cancel(job.id)
    assert cancelled is not None
    assert (cancelled.state, cancelled.metadata) == ("cancelled", {"cancelling_at": first})


def test_the_first_result_stays_with_its_files(store: JobStore, add: AddJob) -> None:
    job, mine, other = add(), _file(), _file()
    store.cancel(job.id)
    assert store.keep_result(job.id, {"id": mine.id}, [mine]) == {"id": mine.id}
    store.delete_file(mine.id)
    assert store.keep_result(job.id, {"id": other.id}, [replace(mine, num_bytes=2), other]) == {"id": mine.id}
    assert store.files(None) == []
    found = store.job(job.id)
    assert found is not None
    assert (found.state, found.result) == ("cancelled", {"id": mine.id})


def test_a_job_that_is_gone_has_no_result_and_no_files(store: JobStore) -> None:
    assert store.keep_result("job_0", {}, [_file()]) is None
    assert store.files(None) == []
