"""Translations that let others go first, over an engine that only notes what it is asked."""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rondo_models.decoding.parameters import Hypothesis
from rondo_services.engine.requests import Work
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import EngineRestarted, InvalidInput, Overloaded, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.files.unhurried import UnhurriedTranslation
from rondo_services.suite import Suite, Terms
from rondo_services.translation.schema import TranslateRequest, TranslationResult


class Engine:
    """Answers each request with the first of its own ids, after raising what it is told to."""

    def __init__(self, *raised: Exception, max_waiting: int = 1024) -> None:
        self.engine = SimpleNamespace(limits=Limits(max_waiting=max_waiting))
        self.raised = list(raised)
        self.asked: list[int] = []
        self.terms: list[Terms] = []
        self.running = self.most_running = 0
        self.name = ""
        self.contents: Any = None
        self.served: Any = None
        self.translation: Any = None

    async def run(self, works: Sequence[Work], terms: Terms) -> list[Any]:
        self.asked.append(len(works))
        self.terms.append(terms)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        if self.raised:
            raise self.raised.pop(0)
        return [[Hypothesis(work.ids[:1], log_probability=-1.0, score=-1.0, finish_reason="stop")] for work in works]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited for."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(delay: float) -> None:
        if delay >= 1:
            waits.append(delay)
        await sleep(min(delay, 0.001))

    monkeypatch.setattr(asyncio, "sleep", noted)
    return waits


def request(text: str, times: int) -> TranslateRequest:
    return TranslateRequest(text=[text] * times, source="en", target="de")


Make = Callable[..., UnhurriedTranslation]


@pytest.fixture
def make(suite: LocalSuite) -> Make:
    def over(engine: Engine, longest: int = 1000) -> UnhurriedTranslation:
        engine.name, engine.contents, engine.served = suite.name, suite.contents, suite.served
        engine.translation = suite.translation
        return UnhurriedTranslation(Fleet.of(cast("Suite", engine)), longest)

    return over


def ask(translation: UnhurriedTranslation, *requests: TranslateRequest) -> list[list[TranslationResult]]:
    async def all_of_them() -> list[list[TranslationResult]]:
        deadline = time.monotonic() + 60
        return await asyncio.gather(*(translation.translate(own, deadline, {}) for own in requests))

    return asyncio.run(all_of_them())


def test_few_sentences_at_once_at_batch_priority(make: Make) -> None:
    engine = Engine()
    (results,) = ask(make(engine), request("The boat. The train.", 50))
    assert len(results) == 50
    assert len({own.translation for own in results}) == 1
    assert engine.asked == [16, 16, 16, 16, 16, 16, 4]
    assert {terms.priority for terms in engine.terms} == {"batch"}
    assert all(terms.deadline is not None for terms in engine.terms)


def test_all_who_ask_take_turns(make: Make) -> None:
    engine = Engine()
    ask(make(engine), *[request("The boat.", 40)] * 5)
    assert engine.most_running == 1
    assert sum(engine.asked) == 200


def test_a_small_queue_is_never_asked_for_more_than_fits(make: Make) -> None:
    engine = Engine(max_waiting=3)
    ask(make(engine), request("The boat.", 8))
    assert engine.asked == [3, 3, 2]


def test_a_full_queue_is_waited_for(make: Make, no_waiting: list[float]) -> None:
    engine = Engine(Overloaded("full", retry_after_s=7), EngineRestarted("again"), Overloaded("full", retry_after_s=2))
    (results,) = ask(make(engine), request("The boat.", 1))
    assert len(results) == 1
    assert no_waiting == [7, 1, 2]


def test_an_engine_that_fails_again_and_again_is_given_up(make: Make) -> None:
    with pytest.raises(EngineRestarted):
        ask(make(Engine(*[EngineRestarted("again")] * 10)), request("The boat.", 1))


def test_a_full_queue_is_not_waited_for_beyond_the_deadline(make: Make) -> None:
    translation = make(Engine(*[Overloaded("full", retry_after_s=1)] * 1000))
    with pytest.raises(TimedOut):
        asyncio.run(translation.translate(request("The boat.", 1), time.monotonic() + 0.05, {}))


def test_a_sentence_that_is_too_long_is_refused(make: Make) -> None:
    with pytest.raises(InvalidInput, match=r"file: \d+ tokens in one piece; at most 10"):
        ask(make(Engine(), longest=10), request("boat " * 50, 1))
