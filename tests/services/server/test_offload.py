"""The places of a request's texts are kept until they are in the engine's queue."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Overloaded
from rondo_services.local import LocalSuite
from rondo_services.server import offload

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeSuite = Callable[..., LocalSuite]
MOST = 4


def _free(suite: LocalSuite) -> int:
    """Places that can still be kept."""
    for count in range(MOST, 0, -1):
        try:
            with suite.engine.places(count):
                return count
        except Overloaded:
            continue
    return 0


def _ask(suite: LocalSuite, connect: Connect, num_texts: int) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post("/v1/sentiment", json={"text": ["The boat is slow."] * num_texts})

    return asyncio.run(ask())


def test_a_place_for_each_text_from_tokenising_to_the_queue(
    make_suite: MakeSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two, others once could take the places, and what had been tokenised was refused."""
    suite = make_suite(Limits(max_waiting=MOST))
    assert suite.sentiment is not None
    work, submit_all = suite.sentiment.work, suite.engine.submit_all
    while_tokenising, before_the_queue, at_the_queue = [], [], []

    def watched_work(text: str) -> object:
        while_tokenising.append(_free(suite))
        return work(text)

    def watched_check(*args: object) -> None:
        before_the_queue.append(_free(suite))

    def watched_submit(*args: object, **options: object) -> object:
        at_the_queue.append(_free(suite))
        return submit_all(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(suite.sentiment, "work", watched_work)
    monkeypatch.setattr("rondo_services.server.answers.check_size", watched_check)
    monkeypatch.setattr(suite.engine, "submit_all", watched_submit)
    assert _ask(suite, connect, 3).status_code == 200
    assert while_tokenising == [MOST - 3] * 3
    assert before_the_queue == [MOST - 3]
    assert at_the_queue == [MOST]
    assert _free(suite) == MOST


def test_texts_that_fail_give_their_places_back(make_suite: MakeSuite, connect: Connect) -> None:
    suite = make_suite(Limits(max_waiting=MOST, max_waiting_tokens=5))
    assert _ask(suite, connect, 3).status_code == 422
    assert _free(suite) == MOST


def test_long_texts_are_tokenised_one_after_another_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "_let_in", lambda texts: None)
    running: list[str] = []
    most_at_once: list[int] = []
    turns = 0

    def plan(text: str) -> str:
        assert threading.current_thread() is not threading.main_thread()
        running.append(text)
        time.sleep(0.02)
        most_at_once.append(len(running))
        running.remove(text)
        return text[:1]

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async def ask() -> list[list[str]]:
        counting = asyncio.create_task(count_turns())
        found = await asyncio.gather(*(offload.planned(plan, [letter * 10_001]) for letter in "abc"))
        counting.cancel()
        return found

    assert asyncio.run(ask()) == [["a"], ["b"], ["c"]]
    assert most_at_once == [1, 1, 1]
    assert turns > 3


def test_long_texts_leave_the_event_loop_free(
    make_suite: MakeSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offload, "_AT_ONCE_CHARACTERS", 10)
    assert _ask(make_suite(), connect, 2).status_code == 200
