"""Whoever works, however often it is stopped or loses what it had: every record is answered, or told of, once."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from tests.services.jobs.store.conftest import Clock, leased
from tests.services.jobs.working import (
    add_job,
    backwards,
    expected_lines,
    records,
    written_lines,
)
from tests.services.jobs.workplace import TIMEOUT_S, Workplace

from rondo_services.jobs import worker as worker_module
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import DoneChunk, Job, Lease


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
