"""Whoever works, however often it is stopped or loses what it had: every record is answered, or told of, once."""

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from tests.services.jobs.store.conftest import Clock, leased
from tests.services.jobs.working import (
    AskTexts,
    FakeMeans,
    add_job,
    backwards,
    expected_lines,
    records,
    written_lines,
)

from rondo_services.errors import EngineFailed, InvalidInput, NotServed
from rondo_services.jobs import worker as worker_module
from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import DoneChunk, Job, Lease
from rondo_services.jobs.worker import JobWorker, WorkerTerms

TIMEOUT_S = 30.0


class Workplace:
    """Workers of one store, each with a name of its own."""

    def __init__(self, store: JobStore, files: StateFiles, means: FakeMeans) -> None:
        self.store = store
        self.files = files
        self.means = means
        self._num_workers = 0

    def worker(self, job: Job | None, **terms: Any) -> JobWorker:
        self._num_workers += 1
        own = WorkerTerms(f"worker-{self._num_workers}", "bundle", None if job is None else job.id, **terms)
        return JobWorker(self.store, self.files, self.means, own)

    async def work(self, job: Job, **terms: Any) -> None:
        """A worker of this job, to its end."""
        async with asyncio.timeout(TIMEOUT_S):
            await self.worker(job, **terms).run(asyncio.Event())

    def run(self, job: Job, **terms: Any) -> Job:
        """As `work`; the job as it ended."""
        asyncio.run(self.work(job, **terms))
        return self.found(job)

    def found(self, job: Job) -> Job:
        found = self.store.job(job.id)
        assert found is not None
        return found

    def all_is_free(self, job: Job) -> bool:
        """Whether nobody has a unit: a job that is being cancelled ends at once then."""
        cancelled = self.store.cancel(job.id)
        assert cancelled is not None
        return cancelled.state == "cancelled"


@pytest.fixture
def at(store: JobStore, files: StateFiles, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A workplace for so many records, with this way to the engine."""
    monkeypatch.setattr(worker_module, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(worker_module, "_LONGEST_TROUBLE_S", 0.02)

    def at(num_records: int = 50, ask: AskTexts = backwards) -> Workplace:
        return Workplace(store, files, FakeMeans(store, files, records(num_records), ask))

    return at


@pytest.mark.parametrize("chunk", [1, 7, 50, 100])
def test_output_is_in_the_order_of_the_input(at: Any, store: JobStore, files: StateFiles, chunk: int) -> None:
    job, place = add_job(store, chunk=chunk), at()
    ended = place.run(job)
    output, errors = expected_lines(records(50))
    assert written_lines(store, files, job) == (output, errors)
    assert (ended.num_planned, ended.num_answered, ended.num_bad) == (50, len(output), len(errors))


def test_output_is_in_the_order_of_the_input_whatever_is_answered_first(
    at: Any, store: JobStore, files: StateFiles
) -> None:
    remaining = [0.05, 0.0, 0.03, 0.01, 0.02]

    async def unevenly(texts: Sequence[str]) -> list[str]:
        await asyncio.sleep(remaining.pop() if remaining else 0)
        return await backwards(texts)

    job = add_job(store, chunk=3)
    at(30, unevenly).run(job, chunks_at_once=6)
    assert written_lines(store, files, job) == expected_lines(records(30))


def test_nothing_is_left_behind_but_the_output(at: Any, store: JobStore, files: StateFiles) -> None:
    job, empty = add_job(store), add_job(store)
    place = at()
    place.run(job)
    place.means.items = []
    place.run(empty)
    assert written_lines(store, files, empty) == ([], [])
    names = [f"jobs/{own}" for own in (f"{job.id}/errors.jsonl", f"{job.id}/predictions.jsonl")]
    assert sorted(files.names()) == sorted([*names, f"jobs/{empty.id}/predictions.jsonl"])


def test_it_answers_so_many_chunks_at_once_and_no_more(at: Any, store: JobStore) -> None:
    at_work = most = 0

    async def counted(texts: Sequence[str]) -> list[str]:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.02)
        at_work -= 1
        return await backwards(texts)

    at(40, counted).run(add_job(store, chunk=2), chunks_at_once=3)
    assert most == 3


@pytest.mark.parametrize("seed", range(12))
def test_a_worker_that_is_cut_off_at_any_moment_loses_and_repeats_nothing(
    at: Any, store: JobStore, files: StateFiles, clock: Clock, seed: int
) -> None:
    draw = random.Random(seed)

    async def slowly(texts: Sequence[str]) -> list[str]:
        await asyncio.sleep(draw.random() / 100)
        return await backwards(texts)

    async def interrupted(job: Job, place: Workplace) -> None:
        for _ in range(10):
            running = asyncio.create_task(place.work(job, chunks_at_once=draw.choice([1, 2, 5])))
            await asyncio.wait([running], timeout=draw.random() / 10)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            clock.now += 60  # a thread that was cut off may have taken a lease of which nobody knew
        await place.work(job)

    job, place = add_job(store), at(50, slowly)
    asyncio.run(interrupted(job, place))
    output, errors = expected_lines(records(50))
    assert written_lines(store, files, job) == (output, errors)
    ended = place.found(job)
    assert (ended.num_planned, ended.num_answered, ended.num_bad) == (50, len(output), len(errors))


def test_two_workers_share_a_job(at: Any, store: JobStore, files: StateFiles) -> None:
    texts_asked: list[str] = []

    async def counted(texts: Sequence[str]) -> list[str]:
        texts_asked.extend(texts)
        await asyncio.sleep(0.005)
        return await backwards(texts)

    async def both(job: Job, place: Workplace) -> None:
        await asyncio.gather(place.work(job, chunks_at_once=1), place.work(job, chunks_at_once=2))

    job = add_job(store, chunk=3)
    asyncio.run(both(job, at(60, counted)))
    assert written_lines(store, files, job) == expected_lines(records(60))
    assert len(texts_asked) == len(set(texts_asked))


def test_answers_that_come_after_the_lease_ran_out_do_not_count(
    at: Any, store: JobStore, files: StateFiles, clock: Clock
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def late_once(texts: Sequence[str]) -> list[str]:
        if not asked.is_set():
            asked.set()
            await go_on.wait()
            return ["too late"] * len(texts)
        return await backwards(texts)

    async def both(job: Job, place: Workplace) -> None:
        slow = asyncio.create_task(place.work(job, chunks_at_once=1))
        await asked.wait()
        clock.now += 60
        fast = asyncio.create_task(place.work(job))
        while store.num_open_chunks(job.id) or not place.found(job).all_planned:
            await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(slow, fast)

    job = add_job(store)
    asyncio.run(both(job, at(20, late_once)))
    assert written_lines(store, files, job) == expected_lines(records(20))
    assert not [name for name in files.names() if "chunks" in name]


@pytest.mark.parametrize("error", [EngineFailed("it broke"), OSError("disk full"), JobStoreError("no answer")])
def test_what_may_pass_is_done_again(at: Any, store: JobStore, files: StateFiles, error: Exception) -> None:
    errors = [error, error]

    async def failing(texts: Sequence[str]) -> list[str]:
        if errors:
            raise errors.pop()
        return await backwards(texts)

    job = add_job(store)
    at(20, failing).run(job)
    assert written_lines(store, files, job) == expected_lines(records(20))


def test_a_chunk_that_is_never_answered_fails_the_job(at: Any, store: JobStore) -> None:
    async def failing(texts: Sequence[str]) -> list[str]:
        if "text 9" in texts:
            raise EngineFailed("it broke")
        return await backwards(texts)

    ended = at(20, failing).run(add_job(store))
    assert ended.state == "failed"
    assert ended.error is not None
    assert "chunk 2 (records 9 to 12 of the input) was begun 25 times" in ended.error
    assert ended.error.endswith("the last time: it broke")


@pytest.mark.parametrize("error", [OSError("disk full"), JobStoreError("no answer")])
def test_trouble_of_the_disk_or_the_store_fails_no_job_however_long_it_lasts(
    at: Any, store: JobStore, files: StateFiles, error: Exception
) -> None:
    errors = [error] * 40

    async def failing(texts: Sequence[str]) -> list[str]:
        if errors:
            raise errors.pop()
        return await backwards(texts)

    job = add_job(store)
    at(4, failing).run(job)
    assert written_lines(store, files, job) == expected_lines(records(4))


def test_the_longer_trouble_lasts_the_longer_are_the_pauses(
    at: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    again = JobWorker._again

    async def told(self: JobWorker, lease: Lease, error: Exception, pause_s: float, *, counts: bool) -> None:
        pauses.append(pause_s)
        await again(self, lease, error, pause_s, counts=counts)

    async def failing(texts: Sequence[str]) -> list[str]:
        if len(pauses) < 10 or (len(pauses) == 10 and "text 0" not in texts):
            raise OSError("disk full")
        return await backwards(texts)

    place = at(8, failing)
    monkeypatch.setattr(JobWorker, "_again", told)
    monkeypatch.setattr(worker_module, "_LONGEST_TROUBLE_S", 0.1)
    place.run(add_job(store), chunks_at_once=1)
    assert pauses == [*sorted(pauses[:10]), 0.02]  # the second chunk fails once, when the first is done
    assert (pauses[0], pauses[9]) == (0.02, 0.1)


def test_planners_that_wait_hold_up_nobody(
    at: Any, store: JobStore, files: StateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had a thread of those on which leases are taken and answers are written, so that no job got on."""
    monkeypatch.setattr(worker_module, "LOOK_AHEAD", 3)
    jobs = [add_job(store, chunk=1) for _ in range(5)]

    async def until_done(place: Workplace) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        stop = asyncio.Event()
        running = asyncio.create_task(place.worker(None).run(stop))
        async with asyncio.timeout(TIMEOUT_S):
            while not all(place.found(job).has_ended for job in jobs):
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(until_done(at(12)))
    for job in jobs:
        assert written_lines(store, files, job) == expected_lines(records(12))


def test_few_jobs_are_planned_at_once_and_the_others_are_left_to_others(
    at: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LOOK_AHEAD", 3)
    jobs = [add_job(store, chunk=1) for _ in range(5)]

    async def never(texts: Sequence[str]) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def for_a_while(place: Workplace) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(place.worker(None).run(stop))
        while [place.found(job).num_planned for job in jobs] != [3, 3, 0, 0, 0]:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        plan = leased(store, "another")
        assert (plan.kind, plan.job.id) == ("plan", jobs[2].id)
        stop.set()
        await running

    asyncio.run(for_a_while(at(12, never)))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotServed("no such pair"), "no such pair"),
        (RuntimeError("/oh"), "an internal error (RuntimeError); the worker's log says more"),
    ],
)
def test_what_would_go_wrong_again_fails_the_job(at: Any, store: JobStore, error: Exception, told: str) -> None:
    async def failing(texts: Sequence[str]) -> list[str]:
        raise error

    ended = at(20, failing).run(add_job(store))
    assert (ended.state, ended.error) == ("failed", told)


def test_a_job_that_can_not_be_answered_is_not_read(at: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(job: Job) -> Any:
        raise NotServed("the bundle has no such service")

    place = at()
    monkeypatch.setattr(place.means, "task_of", refuse)
    ended = place.run(add_job(store))
    assert (ended.state, ended.error, ended.num_planned) == ("failed", "the bundle has no such service", 0)


def test_an_input_that_breaks_off_fails_the_job_with_the_reason(at: Any, store: JobStore) -> None:
    def broken() -> Iterator[Item | BadItem]:
        yield from records(9)
        raise InvalidInput("line 10: damaged")

    place = at()
    place.means.items = broken()
    ended = place.run(add_job(store))
    assert (ended.state, ended.error, ended.num_planned) == ("failed", "line 10: damaged", 8)


@pytest.mark.parametrize(("most", "state"), [(0, "failed"), (10, "failed"), (11, "done"), (None, "done")])
def test_too_many_bad_records_fail_the_job(at: Any, store: JobStore, most: int | None, state: str) -> None:
    assert len(expected_lines(records(50))[1]) == 11
    ended = at().run(add_job(store, max_errors=most), chunks_at_once=1)
    assert ended.state == state
    if state == "failed":
        assert ended.error is not None
        assert ended.error.endswith(f"records could not be answered; at most {most} may not be")


def test_it_ends_with_its_job_if_somebody_cancels_that(at: Any, store: JobStore) -> None:
    async def cancelled(job: Job, place: Workplace) -> None:
        running = asyncio.create_task(place.work(job))
        while not place.found(job).num_planned:
            await asyncio.sleep(0.01)
        store.cancel(job.id)
        await running

    async def slowly(texts: Sequence[str]) -> list[str]:
        await asyncio.sleep(0.05)
        return await backwards(texts)

    job, place = add_job(store, chunk=1), at(200, slowly)
    asyncio.run(cancelled(job, place))
    assert place.found(job).state == "cancelled"


def test_what_is_begun_when_it_is_stopped_is_given_back_at_once(at: Any, store: JobStore, clock: Clock) -> None:
    async def stopped(job: Job, place: Workplace) -> None:
        stop, asked = asyncio.Event(), asyncio.Event()

        async def never(texts: Sequence[str]) -> list[str]:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        place.means._ask = never
        running = asyncio.create_task(place.worker(job).run(stop))
        await asked.wait()
        stop.set()
        await running

    job, place = add_job(store), at()
    asyncio.run(stopped(job, place))
    place.means._ask = backwards
    assert place.run(job).state == "done"  # the clock stands still, so no lease ran out


def test_without_a_job_of_its_own_it_does_all_of_its_bundle(at: Any, store: JobStore, files: StateFiles) -> None:
    mine, theirs, also_mine = add_job(store), add_job(store, bundle="another"), add_job(store)

    async def until_done(place: Workplace) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(place.worker(None).run(stop))
        async with asyncio.timeout(TIMEOUT_S):
            while not (place.found(mine).has_ended and place.found(also_mine).has_ended):
                await asyncio.sleep(0.01)
        assert not running.done()
        stop.set()
        await running

    place = at()
    asyncio.run(until_done(place))
    for job in (mine, also_mine):
        assert written_lines(store, files, job) == expected_lines(records(50))
    assert place.found(theirs).state == "queued"


def test_signs_of_life_keep_the_leases(at: Any, store: JobStore, clock: Clock) -> None:
    asked = 0

    async def long(texts: Sequence[str]) -> list[str]:
        nonlocal asked
        asked += 1
        for _ in range(10):
            await asyncio.sleep(0.1)
            clock.now += 0.1
        return await backwards(texts)

    at(4, long).run(add_job(store), lease_s=0.5)
    assert asked == 1


def test_a_store_that_does_not_take_a_unit_back_ends_the_worker(
    at: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit was given to nobody else ever, as this worker went on saying that it lives."""

    async def failing(texts: Sequence[str]) -> list[str]:
        raise EngineFailed("it broke")

    def away(lease: Lease, **told: Any) -> None:
        raise JobStoreError("the database is away")

    job, place = add_job(store), at(20, failing)
    monkeypatch.setattr(store, "release", away)
    with pytest.raises(JobStoreError, match="the database is away"):
        place.run(job)
    assert place.all_is_free(job)


def test_a_sign_of_life_that_fails_is_logged_and_given_again(
    at: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signs = []

    def once(worker: str, lease_s: float) -> None:
        signs.append(worker)
        if len(signs) == 1:
            raise JobStoreError("the database is away")

    async def slowly(texts: Sequence[str]) -> list[str]:
        await asyncio.sleep(0.2)
        return await backwards(texts)

    monkeypatch.setattr(store, "extend", once)
    with caplog.at_level(logging.ERROR, "rondo"):
        at(4, slowly).run(add_job(store), lease_s=0.2)
    assert len(signs) > 1
    assert "could not be extended" in caplog.text


def test_files_of_answers_that_the_store_does_not_take_are_deleted(
    at: Any, store: JobStore, files: StateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = store.complete
    refused: list[str] = []
    checked: list[bool] = []

    def refusing(lease: Lease, done: DoneChunk, most_bad: int | None = None) -> bool:
        if not refused:
            assert done.output in files.names()
            refused.append(done.output)
            store.release(lease)
            return False
        checked.append(refused[0] in files.names())
        return complete(lease, done, most_bad)

    monkeypatch.setattr(store, "complete", refusing)
    job = add_job(store)
    at(8).run(job, chunks_at_once=1)
    assert refused
    assert checked[-1] is False
    assert written_lines(store, files, job) == expected_lines(records(8))


def test_a_plan_that_another_has_lost_goes_on_where_it_was(
    at: Any, store: JobStore, files: StateFiles, clock: Clock
) -> None:
    job, place = add_job(store), at()
    dead = leased(store, "dead", job_id=job.id)
    assert dead.kind == "plan"
    assert place.found(job).state == "running"
    clock.now += 61
    place.run(job)
    assert written_lines(store, files, job) == expected_lines(records(50))


def test_while_the_engine_is_down_nothing_is_begun(at: Any, store: JobStore) -> None:
    """Each beginning was counted: a worker whose engine stayed down began all chunks so often that the job failed."""
    job, place = add_job(store), at()
    place.means.is_ready = False

    async def work() -> None:
        working = asyncio.create_task(place.work(job))
        await asyncio.sleep(0.2)
        assert place.found(job).state == "queued"
        place.means.is_ready = True
        await working

    asyncio.run(work())
    assert place.found(job).state == "done"
