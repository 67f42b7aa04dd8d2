"""Jobs are kept as they were added, listed by owner, ended in every way, and forgotten."""

from collections.abc import Callable

import pytest
from tests.services.jobs.store.conftest import Clock, answered, chunks, leased

from rondo_services.errors import InvalidInput
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job

AddJob = Callable[..., Job]


def test_a_job_is_kept_as_it_was_added(store: JobStore, clock: Clock) -> None:
    spec = {"service": "sentiment", "input": {"source": "한국어.jsonl"}, "chunk": 7}
    job = store.add_job("batch", "shop", spec, "bundle", metadata={"note": "ä"}, expires_at=clock.now + 5)
    assert job == Job(
        job.id, "batch", "shop", spec, "bundle", "queued", clock.now, metadata={"note": "ä"}, expires_at=clock.now + 5
    )
    assert store.job(job.id) == job
    assert job.id.startswith("batch_")
    assert len(job.id) == len("batch_") + 32


def test_ids_may_be_given_once(store: JobStore, add: AddJob) -> None:
    assert add(job_id="job_of_mine").id == "job_of_mine"
    with pytest.raises(InvalidInput, match="there is a job 'job_of_mine' already"):
        add(job_id="job_of_mine")
    assert len(store.jobs(None, None)) == 1


def test_there_are_two_kinds(store: JobStore) -> None:
    with pytest.raises(ValueError, match="job or batch"):
        store.add_job("dream", "", {}, "bundle")


def test_jobs_are_listed_newest_first_by_kind_and_owner(store: JobStore) -> None:
    ids = [store.add_job("batch", "shop", {}, "bundle").id for _ in range(5)]
    store.add_job("batch", "other", {}, "bundle")
    store.add_job("job", "shop", {}, "bundle")
    assert [job.id for job in store.jobs("batch", "shop", limit=2)] == [ids[4], ids[3]]
    assert [job.id for job in store.jobs("batch", "shop", after=ids[3])] == [ids[2], ids[1], ids[0]]
    assert store.jobs("batch", "shop", after=ids[0]) == []
    assert len(store.jobs("batch", None)) == 6
    assert len(store.jobs(None, "shop")) == 6


def test_a_page_goes_on_after_a_job_that_the_asker_has(store: JobStore) -> None:
    other = store.add_job("batch", "other", {}, "bundle")
    with pytest.raises(InvalidInput, match="there is no batch") as caught:
        store.jobs("batch", "shop", after=other.id)
    assert caught.value.field == "after"


def test_a_tally_has_all_jobs_of_all_owners(store: JobStore, add: AddJob) -> None:
    empty = store.tally()
    assert (dict(empty.states), empty.num_planned, empty.num_answered, empty.num_bad) == ({}, 0, 0, 0)
    store.add_job("batch", "shop", {}, "bundle")
    store.cancel(add().id)
    job = add(2)
    lease = leased(store, job_id=job.id)
    assert store.complete(lease, answered(lease, num_bad=3), 5)
    tally = store.tally()
    assert tally.states == {"queued": 1, "cancelled": 1, "running": 1}
    assert (tally.num_planned, tally.num_answered, tally.num_bad) == (20, 7, 3)


def test_a_queued_job_is_cancelled_at_once(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = store.cancel(add().id)
    assert job is not None
    assert (job.state, job.ended_at, job.has_ended) == ("cancelled", clock.now, True)
    assert store.lease("worker", 60) is None


def test_a_running_job_without_leases_is_cancelled_at_once(store: JobStore, add: AddJob) -> None:
    job = add(3)
    assert store.num_open_chunks(job.id) == 3
    cancelled = store.cancel(job.id)
    assert cancelled is not None
    assert cancelled.state == "cancelled"
    assert store.num_open_chunks(job.id) == 0


def test_what_is_under_way_counts_before_a_job_is_cancelled(store: JobStore, add: AddJob) -> None:
    job = add(3)
    first, second = leased(store), leased(store)
    cancelling = store.cancel(job.id)
    assert cancelling is not None
    assert (cancelling.state, cancelling.ended_at) == ("cancelling", None)
    assert store.lease("worker", 60) is None
    assert store.holds(first)
    assert store.complete(first, answered(first))
    assert store.job(job.id).state == "cancelling"  # type: ignore[union-attr]
    store.release(second)
    ended = store.job(job.id)
    assert ended is not None
    assert (ended.state, ended.num_answered, ended.num_bad) == ("cancelled", 9, 1)
    assert [chunk.number for chunk in store.done_chunks(job.id)] == [0]


def test_the_last_answer_cancels_a_cancelling_job(store: JobStore, add: AddJob) -> None:
    job = add(1)
    lease = leased(store)
    store.cancel(job.id)
    assert store.complete(lease, answered(lease))
    assert store.job(job.id).state == "cancelled"  # type: ignore[union-attr]


@pytest.mark.parametrize("means", ["lease", "end_overdue"])
def test_a_lost_lease_cancels_a_cancelling_job(means: str, store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add(1)
    leased(store)
    store.cancel(job.id)
    store.end_overdue()
    assert store.job(job.id).state == "cancelling"  # type: ignore[union-attr]
    clock.now += 60
    if means == "lease":
        assert store.lease("worker", 60) is None
    else:
        store.end_overdue()
    assert store.job(job.id).state == "cancelled"  # type: ignore[union-attr]


def test_a_worker_that_gives_up_cancels_a_cancelling_job(store: JobStore, add: AddJob) -> None:
    job = add(2)
    leased(store), leased(store)
    store.cancel(job.id)
    store.release_worker("worker")
    assert store.job(job.id).state == "cancelled"  # type: ignore[union-attr]


def test_planning_a_cancelled_job_is_refused(store: JobStore, add: AddJob) -> None:
    job = add()
    lease = leased(store)
    store.cancel(job.id)
    assert not store.holds(lease)
    assert store.job(job.id).state == "cancelling"  # type: ignore[union-attr]
    assert not store.add_chunks(lease, chunks(0, 1), done=False)
    assert store.job(job.id).state == "cancelled"  # type: ignore[union-attr]


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_finishing_a_cancelled_job_is_refused(end: str, store: JobStore, add: AddJob) -> None:
    job = add(0)
    lease = leased(store)
    assert lease.kind == "finish"
    store.cancel(job.id)
    assert not (store.finish(lease, {}) if end == "finish" else store.fail(lease, "late"))
    ended = store.job(job.id)
    assert ended is not None
    assert (ended.state, ended.result, ended.error) == ("cancelled", None, None)


def test_cancelling_twice_or_late_changes_nothing(store: JobStore, add: AddJob, clock: Clock) -> None:
    assert store.cancel("job_that_is_not_there") is None
    cancelling, done = add(1), add(0)
    leased(store, job_id=cancelling.id)
    assert store.finish(leased(store, job_id=done.id), {"files": 1})
    store.cancel(cancelling.id)
    clock.now += 1
    assert store.cancel(cancelling.id).state == "cancelling"  # type: ignore[union-attr]
    before = store.job(done.id)
    assert store.cancel(done.id) == before
    assert before is not None
    assert before.state == "done"


def test_a_job_out_of_time_expires(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add(3, expires_at=clock.now + 10)
    first, second = leased(store), leased(store)
    assert store.complete(first, answered(first))
    clock.now += 10
    assert store.lease("worker", 60) is None
    expired = store.job(job.id)
    assert expired is not None
    assert (expired.state, expired.ended_at, expired.num_answered) == ("expired", clock.now, 9)
    assert not store.holds(second)
    assert not store.complete(second, answered(second))
    assert [chunk.number for chunk in store.done_chunks(job.id)] == [0]


def test_jobs_expire_without_workers(store: JobStore, add: AddJob, clock: Clock) -> None:
    expiring, other = add(expires_at=clock.now + 10), add(expires_at=clock.now + 11)
    clock.now += 10
    store.end_overdue()
    states = [job.state for job in (store.job(expiring.id), store.job(other.id)) if job is not None]
    assert states == ["expired", "queued"]


def test_old_jobs_are_found_and_deleted(store: JobStore, add: AddJob, clock: Clock) -> None:
    first, second, running = add(), add(), add(1)
    for job in (second, first):
        clock.now += 10
        store.cancel(job.id)
    assert [job.id for job in store.ended_jobs(clock.now + 1)] == [second.id, first.id]
    assert [job.id for job in store.ended_jobs(clock.now)] == [second.id]
    assert store.delete_job(second.id)
    assert not store.delete_job(second.id)
    assert store.job(second.id) is None
    assert {job.id for job in store.jobs("job", "")} == {first.id, running.id}


def test_jobs_of_other_bundles_are_counted(store: JobStore) -> None:
    for bundle in ("a", "a", "b"):
        store.add_job("job", "", {}, bundle)
    assert (store.num_of_others("a"), store.num_of_others("b"), store.num_of_others("c")) == (1, 2, 3)
    for job in store.jobs("job", ""):
        store.cancel(job.id)
    assert store.num_of_others("c") == 0


def test_a_deleted_job_takes_its_leases_along(store: JobStore, add: AddJob) -> None:
    job = add(2)
    done = leased(store)
    assert store.complete(done, answered(done))
    lease = leased(store)
    assert store.delete_job(job.id)
    assert not store.holds(lease)
    assert not store.complete(lease, answered(lease))
    assert not store.fail(lease, "late")
    assert list(store.done_chunks(job.id)) == []
    assert store.num_open_chunks(job.id) == 0
    store.release(lease)
    store.release_worker("worker")
    assert store.lease("worker", 60) is None
