"""Every unit is given to one worker at a time, in the right order, and done once."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool
from tests.services.jobs.store.conftest import Clock, answered, chunks, leased, numbers

from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Chunk, DoneChunk, Job

AddJob = Callable[..., Job]


def test_a_job_is_planned_answered_and_finished(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add()
    plan = leased(store)
    assert (plan.kind, plan.attempt, plan.chunk, plan.num_chunks, plan.num_records) == ("plan", 1, None, 0, 0)
    assert (plan.job.state, plan.job.started_at) == ("running", clock.now)
    assert store.add_chunks(plan, [Chunk(0, 0, 10, "a"), Chunk(1, 10, 3, "b")], done=True)
    planned = store.job(job.id)
    assert planned is not None
    assert (planned.num_planned, planned.all_planned, planned.state) == (13, True, "running")

    first, second = leased(store), leased(store)
    assert (first.kind, first.chunk) == ("answer", Chunk(0, 0, 10, "a"))
    assert second.chunk == Chunk(1, 10, 3, "b")
    assert store.lease("worker", 60) is None
    assert store.complete(second, DoneChunk(1, 3, "b.out", "b.errors", 1, 2, 0.25))
    assert store.lease("worker", 60) is None
    assert store.complete(first, DoneChunk(0, 10, "a.out", "", 10, 0, 0.5))
    assert store.job(job.id).state == "finishing"  # type: ignore[union-attr]

    finish = leased(store)
    assert (finish.kind, finish.chunk, finish.num_chunks, finish.num_records) == ("finish", None, 2, 13)
    assert store.lease("worker", 60) is None
    assert list(store.done_chunks(job.id)) == [
        DoneChunk(0, 10, "a.out", "", 10, 0, 0.5),
        DoneChunk(1, 3, "b.out", "b.errors", 1, 2, 0.25),
    ]
    clock.now += 1
    assert store.finish(finish, {"files": ["out"]})
    done = store.job(job.id)
    assert done is not None
    assert (done.state, done.ended_at, done.result) == ("done", clock.now, {"files": ["out"]})
    assert (done.num_answered, done.num_bad) == (11, 2)
    assert store.lease("worker", 60) is None


def test_an_empty_input_goes_straight_to_its_end(store: JobStore, add: AddJob) -> None:
    job = add(0)
    assert store.job(job.id).state == "finishing"  # type: ignore[union-attr]
    assert leased(store).kind == "finish"


def test_only_one_plans_and_others_answer_meanwhile(store: JobStore, add: AddJob) -> None:
    add()
    plan = leased(store, "planner")
    assert store.lease("other", 60) is None
    assert store.add_chunks(plan, chunks(0, 2), done=False)
    leases = [leased(store, "other"), leased(store, "other")]
    assert numbers(leases) == [0, 1]
    assert store.lease("other", 60) is None
    assert store.holds(plan)


def test_planning_stays_ahead_by_so_many_chunks(store: JobStore, add: AddJob) -> None:
    job = add()
    plan = leased(store)
    assert store.add_chunks(plan, chunks(0, 3), done=False)
    store.release(plan)
    first = leased(store, look_ahead=3)
    assert first.kind == "answer"
    assert store.num_open_chunks(job.id) == 3
    assert store.complete(first, answered(first))
    assert store.num_open_chunks(job.id) == 2
    again = leased(store, look_ahead=3)
    assert (again.kind, again.num_chunks, again.num_records) == ("plan", 3, 30)
    assert store.add_chunks(again, chunks(3, 4), done=True)
    assert numbers([leased(store, look_ahead=3) for _ in range(3)]) == [1, 2, 3]


def test_planning_may_end_after_all_was_answered(store: JobStore, add: AddJob) -> None:
    job = add()
    plan = leased(store)
    assert store.add_chunks(plan, chunks(0, 1), done=False)
    lease = leased(store)
    assert store.complete(lease, answered(lease))
    assert store.job(job.id).state == "running"  # type: ignore[union-attr]
    assert store.lease("worker", 60) is None
    assert store.add_chunks(plan, [], done=True)
    assert not store.holds(plan)
    assert leased(store).kind == "finish"


def test_the_oldest_job_comes_first(store: JobStore, add: AddJob) -> None:
    old, young = add(1), add(2)
    assert [leased(store).job.id for _ in range(3)] == [old.id, young.id, young.id]


def test_a_worker_may_ask_for_a_bundle_or_a_job(store: JobStore, add: AddJob) -> None:
    first, second, third = add(1, bundle="old"), add(1), add(1)
    assert store.lease("worker", 60, bundle="new") is None
    assert store.lease("worker", 60, bundle="old", job_id=third.id) is None
    assert leased(store, job_id=third.id).job.id == third.id
    assert leased(store, bundle="bundle").job.id == second.id
    assert store.lease("worker", 60, bundle="bundle") is None
    assert leased(store).job.id == first.id


def test_a_lease_that_ran_out_is_given_to_another(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add(1)
    lost = leased(store, "slow")
    clock.now += 59.9
    assert store.holds(lost)
    assert store.lease("quick", 60) is None
    clock.now += 0.1
    assert not store.holds(lost)
    assert not store.complete(lost, answered(lost))
    lease = leased(store, "quick")
    assert (lease.chunk, lease.attempt) == (lost.chunk, 2)
    assert not store.complete(lost, answered(lost))
    store.release(lost)
    store.extend("slow", 60)
    assert store.holds(lease)
    assert store.complete(lease, answered(lease, num_bad=4))
    assert not store.complete(lost, answered(lost))
    ended = store.job(job.id)
    assert ended is not None
    assert (ended.num_answered, ended.num_bad) == (6, 4)


@pytest.mark.parametrize("kind", ["plan", "finish"])
def test_a_lost_lease_changes_no_job(kind: str, store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add(None if kind == "plan" else 0)
    lost = leased(store)
    assert lost.kind == kind
    clock.now += 60
    assert not store.add_chunks(lost, chunks(0, 1), done=True)
    assert not store.finish(lost, {})
    assert not store.fail(lost, "late")
    again = leased(store)
    assert (again.kind, again.attempt) == (kind, 2)
    assert not store.fail(lost, "late")
    assert store.job(job.id).num_planned == 0  # type: ignore[union-attr]
    assert store.holds(again)


def test_a_worker_extends_all_that_it_still_has(store: JobStore, add: AddJob, clock: Clock) -> None:
    add(3)
    lost = leased(store, "mine")
    clock.now += 30
    kept, others = leased(store, "mine"), leased(store, "other")
    clock.now += 30
    store.extend("mine", 60)
    assert [store.holds(lease) for lease in (lost, kept, others)] == [False, True, True]
    clock.now += 59
    assert [store.holds(lease) for lease in (lost, kept, others)] == [False, True, False]


def test_what_is_released_is_free_at_once(store: JobStore, add: AddJob) -> None:
    first, second = add(2), add(1)
    mine = [leased(store, "mine") for _ in range(3)]
    store.release(mine[1])
    assert leased(store, "other").chunk == mine[1].chunk
    store.release_worker("mine")
    assert [store.holds(lease) for lease in mine] == [False, False, False]
    leases = [leased(store, "other") for _ in range(2)]
    assert [lease.job.id for lease in leases] == [first.id, second.id]
    assert numbers(leases) == [0, 0]


def test_a_chunk_is_done_once(store: JobStore, add: AddJob) -> None:
    job = add(1)
    lease = leased(store)
    assert store.complete(lease, answered(lease))
    assert not store.complete(lease, answered(lease))
    assert not store.holds(lease)
    store.release(lease)
    assert [chunk.number for chunk in store.done_chunks(job.id)] == [0]
    assert store.job(job.id).num_answered == 9  # type: ignore[union-attr]


def test_answers_have_to_be_those_of_the_chunk(store: JobStore, add: AddJob) -> None:
    add(1)
    lease = leased(store)
    with pytest.raises(ValueError, match="not what was leased"):
        store.complete(lease, DoneChunk(1, 10, "", "", 10, 0, 0.5))
    with pytest.raises(ValueError, match="have to be all 10"):
        store.complete(lease, DoneChunk(0, 10, "", "", 9, 0, 0.5))
    assert store.complete(lease, answered(lease))


@pytest.mark.parametrize("chunk", [Chunk(1, 20, 10, ""), Chunk(2, 10, 10, ""), Chunk(2, 20, 0, "")])
def test_chunks_have_to_go_on_where_those_before_ended(chunk: Chunk, store: JobStore, add: AddJob) -> None:
    job = add()
    plan = leased(store)
    assert store.add_chunks(plan, chunks(0, 1), done=False)
    with pytest.raises(ValueError, match="has to begin with record"):
        store.add_chunks(plan, [*chunks(1, 2), chunk], done=False)
    assert store.job(job.id).num_planned == 10  # type: ignore[union-attr]
    assert store.num_open_chunks(job.id) == 1


def test_a_worker_fails_a_job(store: JobStore, add: AddJob, clock: Clock) -> None:
    job = add(2)
    first, second = leased(store), leased(store)
    assert store.complete(first, answered(first))
    assert store.fail(second, "more than 3 records are bad")
    failed = store.job(job.id)
    assert failed is not None
    assert (failed.state, failed.error, failed.ended_at) == ("failed", "more than 3 records are bad", clock.now)
    assert (failed.num_answered, store.num_open_chunks(job.id)) == (9, 0)
    assert not store.fail(second, "once more")
    assert store.lease("worker", 60) is None


def test_a_chunk_that_is_never_done_fails_its_job(store: JobStore, add: AddJob, clock: Clock) -> None:
    job, next_job = add(3), add(1)
    lease = leased(store)
    assert store.complete(lease, answered(lease))
    for attempt in range(1, 26):
        assert leased(store).attempt == attempt
        clock.now += 60
    assert leased(store).job.id == next_job.id
    failed = store.job(job.id)
    assert failed is not None
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.startswith("chunk 1 (records 11 to 20 of the input) was begun 25 times and never done")


@pytest.mark.parametrize(("num_chunks", "named"), [(None, "reading the input"), (0, "putting the output together")])
def test_units_without_a_chunk_are_not_tried_forever_either(
    num_chunks: int | None, named: str, store: JobStore, add: AddJob, clock: Clock
) -> None:
    job = add(num_chunks)
    for _ in range(25):
        leased(store)
        clock.now += 60
    assert store.lease("worker", 60) is None
    error = store.job(job.id).error  # type: ignore[union-attr]
    assert error is not None
    assert error.startswith(f"{named} was begun 25 times")


def test_what_is_given_back_was_not_attempted(store: JobStore, add: AddJob, clock: Clock) -> None:
    """25 stops, or 25 s without a disk, failed a job for good."""
    job = add(1)
    for _ in range(30):
        lease = leased(store)
        assert lease.attempt == 1
        store.release(lease)
        leased(store, "stopped")
        store.release_worker("stopped")
    for attempt in range(1, 26):
        assert leased(store, "died").attempt == attempt
        store.release_worker("died", counts=True)
    assert store.lease("worker", 60) is None
    assert store.job(job.id).state == "failed"  # type: ignore[union-attr]


def test_what_went_wrong_last_is_told(store: JobStore, add: AddJob, clock: Clock) -> None:
    broke, died = add(1), add(1)
    for number in range(25):
        store.release(leased(store, job_id=broke.id), trouble="it broke", counts=True)
        lease = leased(store, job_id=died.id)
        if number < 24:
            store.release(lease, trouble="it broke", counts=True)
    clock.now += 60
    assert store.lease("worker", 60) is None
    begun = "chunk 0 (records 1 to 10 of the input) was begun 25 times and never done"
    assert store.job(broke.id).error == f"{begun}; the last time: it broke"  # type: ignore[union-attr]
    assert store.job(died.id).error == f"{begun}; its workers may have died of it"  # type: ignore[union-attr]


def test_all_that_is_given_out_of_a_job_can_be_taken_back(store: JobStore, add: AddJob) -> None:
    mine, other = add(2), add(1)
    lost = [leased(store, name, job_id=mine.id) for name in ("one", "another")]
    kept = leased(store, "one", job_id=other.id)
    store.release_job(mine.id)
    assert [store.holds(lease) for lease in (*lost, kept)] == [False, False, True]
    again = leased(store, job_id=mine.id)
    assert (again.chunk, again.attempt) == (lost[0].chunk, 2)


def test_planning_that_gets_further_is_no_failure(store: JobStore, add: AddJob) -> None:
    """A long input is planned in many leases; they counted as attempts, and a job of 26 look-aheads failed."""
    add()
    for number in range(30):
        plan = leased(store, look_ahead=100)
        assert (plan.kind, plan.attempt) == ("plan", 1)
        assert store.add_chunks(plan, chunks(number, number + 1), done=False)
        store.release(plan)


def test_a_large_job_is_given_out_in_order(store: JobStore, add: AddJob) -> None:
    job = add(20_000)
    assert numbers([leased(store) for _ in range(100)]) == list(range(100))
    assert store.num_open_chunks(job.id) == 20_000
    store.release_worker("worker")
    lease = leased(store)
    assert store.complete(lease, answered(lease))
    assert numbers([leased(store)]) == [1]


def test_leasing_does_not_pass_what_is_done(tmp_path: Path) -> None:
    """Each lease passed all chunks that were done, as the index for open ones was not used.

    Counted are SQLite's own steps, which are the same on every machine.
    """
    steps: list[None] = []

    def count(connection: sqlite3.Connection, record: object) -> None:
        connection.set_progress_handler(lambda: steps.append(None), 100)

    path = tmp_path / "jobs.db"
    with JobStore(f"sqlite:///{path}") as store:
        store.add_job("job", "", {}, "bundle")
        assert store.add_chunks(leased(store), chunks(0, 10_000), done=True)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE units SET done = 1 WHERE number < 9000 AND rank = 1")
    connection.commit()
    connection.close()
    event.listen(Pool, "connect", count)
    try:
        with JobStore(f"sqlite:///{path}") as store:
            steps.clear()
            lease = leased(store)
            assert numbers([lease]) == [9_000]
            assert store.complete(lease, answered(lease))
            assert len(steps) < 50
    finally:
        event.remove(Pool, "connect", count)


def test_many_done_chunks_come_in_order(store: JobStore, add: AddJob) -> None:
    job = add(300)
    for _ in range(300):
        lease = leased(store)
        assert store.complete(lease, answered(lease))
    assert [chunk.number for chunk in store.done_chunks(job.id)] == list(range(300))
