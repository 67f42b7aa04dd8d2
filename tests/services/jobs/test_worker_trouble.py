"""What goes wrong while a worker works: some of it passes, some of it ends the job, and the job says why."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.services.jobs.working import (
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
from rondo_services.jobs.types import Job, Lease
from rondo_services.jobs.worker import JobWorker


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
