import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.services.conftest import LINES

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import Contents, Manifest
from rondo_models.model import RondoModel
from rondo_services.engine.requests import Classify, Explain, Work, num_tokens_of
from rondo_services.engine.scheduler import Limits, portions
from rondo_services.errors import EngineFailed, EngineRestarted, Overloaded
from rondo_services.jobs import asking
from rondo_services.jobs.asking import PatientAsker, SerialAsker, batch_asker
from rondo_services.jobs.items import Item
from rondo_services.jobs.settings import WORKER_LIMITS
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.tasks.choice import task_of
from rondo_services.local import LocalSuite, suite_of
from rondo_services.suite import Suite, Terms
from rondo_tokenizers.vocabulary import Tokenizer

LIMITS = Limits(max_waiting=8, max_waiting_tokens=40)
TIMEOUT_S = 10.0


class Engine:
    """Answers each work with its ids, a little later, one turn after the other; tells how much it had at once."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.works = self.tokens = self.most_works = self.most_tokens = 0
        self.sizes: list[int] = []

    async def __call__(self, works: Sequence[Work], /) -> list[object]:
        if self.refusals:
            raise self.refusals.pop(0)
        tokens = sum(map(num_tokens_of, works))
        self.sizes.append(len(works))
        self.works += len(works)
        self.tokens += tokens
        self.most_works = max(self.most_works, self.works)
        if len(works) > 1 or self.works > 1:
            self.most_tokens = max(self.most_tokens, self.tokens)
        await asyncio.sleep(0.001)
        self.works -= len(works)
        self.tokens -= tokens
        return [work.ids for work in works]


def _works(*lengths: int) -> list[Work]:
    return [Classify("sentiment", (number,) * length) for number, length in enumerate(lengths)]


def _answers(engine: Engine, works: Sequence[Work], limits: Limits = LIMITS, most_works: int = 100) -> list[object]:
    async def ask() -> list[object]:
        async with asyncio.timeout(TIMEOUT_S):
            return await PatientAsker(engine, limits, most_works).ask(works)

    return asyncio.run(ask())


@pytest.mark.parametrize("num", [0, 1, 2, 7, 8, 9, 100])
def test_any_number_is_answered_in_order(num: int) -> None:
    works = _works(*[1 + number % 3 for number in range(num)])
    engine = Engine()
    assert _answers(engine, works) == [work.ids for work in works]
    assert engine.most_works <= LIMITS.max_waiting
    assert engine.most_tokens <= LIMITS.max_waiting_tokens


def test_no_more_is_asked_at_once_than_the_engine_takes_or_the_asker_is_told() -> None:
    engine = Engine()
    _answers(engine, _works(*[1] * 50))
    assert engine.most_works == 8
    engine = Engine()
    _answers(engine, _works(*[1] * 50), most_works=4)
    assert engine.most_works == 4
    engine = Engine()
    _answers(engine, _works(*[9] * 50))
    assert engine.most_tokens == 36


def test_all_that_ask_share_the_limits() -> None:
    engine = Engine()

    async def ask() -> Any:
        asker = PatientAsker(engine, LIMITS, 100)
        return await asyncio.gather(*(asker.ask(_works(1, 2, 3, 4, 5)) for _ in range(10)))

    assert asyncio.run(ask()) == [[work.ids for work in _works(1, 2, 3, 4, 5)]] * 10
    assert engine.most_works <= LIMITS.max_waiting
    assert engine.most_tokens <= LIMITS.max_waiting_tokens


def test_long_texts_are_asked_for_in_parts_that_the_engine_takes() -> None:
    """An engine refuses several that are more tokens than may wait, however empty it is; so they waited for ever."""
    engine = Engine()
    limits = replace(LIMITS, max_waiting=1000)
    assert len(_answers(engine, _works(*[30] * 20), limits, 1000)) == 20
    assert engine.most_tokens <= LIMITS.max_waiting_tokens
    assert set(engine.sizes) == {1}


def test_one_that_is_longer_than_all_that_may_wait_is_asked_for_alone() -> None:
    engine = Engine()
    assert len(_answers(engine, _works(1, 500, 1, 1))) == 4
    assert engine.most_tokens <= LIMITS.max_waiting_tokens


def test_texts_that_are_to_be_explained_count_as_often_as_they_are_read() -> None:
    engine = Engine()
    works: list[Work] = [Explain("sentiment", (1,)) for _ in range(4)]
    assert num_tokens_of(works[0]) > 10
    _answers(engine, works, replace(LIMITS, max_waiting=100))
    assert engine.sizes == [1, 1, 1, 1]


def test_refusals_are_waited_for() -> None:
    engine = Engine(Overloaded("full", retry_after_s=60), Overloaded("full", retry_after_s=60))
    assert _answers(engine, _works(1, 2)) == [(0,), (1, 1)]


def _restart() -> EngineRestarted:
    error = EngineRestarted("it died")
    error.retry_after_s = 0
    return error


def test_an_engine_that_was_started_anew_is_asked_again() -> None:
    assert _answers(Engine(*[_restart() for _ in range(3)]), _works(1)) == [(0,)]


def test_an_engine_that_dies_of_each_attempt_is_given_up() -> None:
    with pytest.raises(EngineRestarted):
        _answers(Engine(*[_restart() for _ in range(4)]), _works(1))


def test_other_failures_are_the_askers() -> None:
    with pytest.raises(EngineFailed, match="broken"):
        _answers(Engine(EngineFailed("broken")), _works(1))


def test_what_is_given_up_leaves_its_room() -> None:
    engine = Engine()

    async def ask() -> list[object]:
        asker = PatientAsker(engine, LIMITS, 100)
        given_up = [asyncio.create_task(asker.ask(_works(*[5] * 40))) for _ in range(3)]
        await asyncio.sleep(0.003)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        async with asyncio.timeout(TIMEOUT_S):
            return await asker.ask(_works(40))

    assert asyncio.run(ask()) == [(0,) * 40]


def test_a_suite_is_asked_at_batch_priority(suite: LocalSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def run(self: Suite, works: Sequence[Work], terms: Terms) -> list[object]:
        asked.append(terms)
        return [None] * len(works)

    monkeypatch.setattr(Suite, "run", run)
    asyncio.run(batch_asker(suite).ask(_works(1)))
    assert asked == [Terms(None, "batch")]


def test_an_engine_of_small_limits_answers_it_all(suite: LocalSuite, make_suite: object) -> None:
    small = make_suite(Limits(max_waiting=4, max_waiting_tokens=12))  # type: ignore[operator]
    works = [Classify("sentiment", tuple(range(5, 5 + length))) for length in (3, 20, 1, 2, 9, 4, 5, 11, 6)]

    async def ask() -> list[object]:
        async with asyncio.timeout(TIMEOUT_S):
            return await batch_asker(small).ask(works)

    assert len(asyncio.run(ask())) == len(works)


class Slow(Engine):
    """Answers nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, works: Sequence[Work], /) -> list[object]:
        self.asked.append([len(work.ids) for work in works])
        await self.may_answer.wait()
        return [work.ids for work in works]


def test_what_comes_while_the_engine_is_busy_is_asked_for_longest_first_whoever_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "_TOGETHER", 64)
    monkeypatch.setattr(asking, "_ALIKE", 3)
    limits = Limits(max_waiting=100)

    async def ask() -> list[list[int]]:
        engine = Slow()
        asker = PatientAsker(engine, limits, 100)
        tasks = [asyncio.create_task(asker.ask(works)) for works in (_works(40), _works(1, 5, 3), _works(4, 6, 2))]
        await asyncio.sleep(0.01)
        assert engine.asked == [[40]]
        engine.may_answer.set()
        answers = await asyncio.gather(*tasks)
        assert answers[1:] == [[work.ids for work in _works(*lengths)] for lengths in ((1, 5, 3), (4, 6, 2))]
        return engine.asked

    assert asyncio.run(ask())[1:] == [[6, 4], [5], [3, 1], [2]]


def test_no_more_is_put_in_order_together_than_is_done_in_a_short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of chunks that are put in order together none is done much before the others: a death would lose them all."""
    monkeypatch.setattr(asking, "_TOGETHER", 20)

    async def ask() -> list[list[int]]:
        engine = Slow()
        asker = PatientAsker(engine, Limits(max_waiting=100), 100)
        tasks = [asyncio.create_task(asker.ask(_works(10, 12))) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert engine.asked == [[12, 10]]
        engine.may_answer.set()
        await asyncio.gather(*tasks)
        return engine.asked

    assert asyncio.run(ask()) == [[12, 10]] * 4


def test_a_failure_is_only_that_askers() -> None:
    async def broken(works: Sequence[Work], /) -> list[object]:
        if any(len(work.ids) == 7 for work in works):
            raise EngineFailed("seven")
        await asyncio.sleep(0.001)
        return [work.ids for work in works]

    async def ask() -> list[object]:
        asker = PatientAsker(broken, Limits(max_waiting=100), 100)
        asked = (asker.ask(works) for works in (_works(9), _works(7, 6), _works(8, 5)))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    first, second, third = asyncio.run(ask())
    assert isinstance(second, EngineFailed)
    assert (first, third) == ([(0,) * 9], [(0,) * 8, (1,) * 5])


def test_one_who_stops_waiting_is_not_asked_for() -> None:
    async def ask() -> list[list[int]]:
        engine = Slow()
        asker = PatientAsker(engine, LIMITS, 8)
        first = asyncio.create_task(asker.ask(_works(*[1] * 8)))
        await asyncio.sleep(0)
        given_up, last = asyncio.create_task(asker.ask(_works(3))), asyncio.create_task(asker.ask(_works(2)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        engine.may_answer.set()
        await asyncio.gather(first, last)
        assert given_up.cancelled()
        return engine.asked

    assert [3] not in asyncio.run(ask())


def test_a_serial_asker_has_one_part_of_one_asker_in_the_engine() -> None:
    engine = Engine()
    works = [_works(*[1 + number % 7 for number in range(begin, begin + 30)]) for begin in (0, 30)]

    async def ask() -> Any:
        asker = SerialAsker(engine, LIMITS)
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.gather(*(asker.ask(own) for own in works))

    assert asyncio.run(ask()) == [[work.ids for work in own] for own in works]
    assert engine.sizes == [len(part) for own in works for part in portions(own, LIMITS)]
    assert engine.most_works == max(engine.sizes)


def test_a_serial_asker_asks_again() -> None:
    engine = Engine(Overloaded("full", retry_after_s=1), Overloaded("full", retry_after_s=1))
    works = _works(1, 2)
    assert asyncio.run(SerialAsker(engine, LIMITS).ask(works)) == [work.ids for work in works]


def test_engines_in_which_company_matters_are_asked_serially(suite: LocalSuite) -> None:
    expected = PatientAsker if suite.engine.is_batch_invariant else SerialAsker

    async def asker() -> object:
        return batch_asker(suite)

    assert isinstance(asyncio.run(asker()), expected)


def test_a_job_has_the_same_bits_again_where_company_matters(bundle: Bundle) -> None:
    """However its chunks come: one after the other, together, or in another order, as after a stop."""
    config = BackboneConfig(Tokenizer(bundle.contents.tokenizer).size, embedding_size=64, hidden_size=256)
    model = RondoModel(config, {"sentiment": ClassifierConfig(labels=("negative", "positive"))})  # of a usual width
    manifest = Manifest("wide", "1", ("en",), {"sentiment": {"languages": ["en"]}})
    contents = Contents(manifest, model.configs(), bundle.contents.tokenizer, "wide")
    wide = Bundle(contents, model.eval().requires_grad_(False))
    suite = suite_of(wide, limits=WORKER_LIMITS, precision="float32", max_wait_s=0)
    assert not suite.engine.is_batch_invariant
    draw = random.Random(0)
    texts = [" ".join(draw.choices(LINES, k=draw.randrange(1, 12))) for _ in range(120)]
    chunks = [[Item(n, n + 1, texts[n]) for n in range(begin, begin + 12)] for begin in range(0, len(texts), 12)]
    spec = JobSpec(service="sentiment", input=JobInput(source="texts.txt"))

    async def answers(order: Sequence[int], at_once: int) -> dict[int, Any]:
        task, asker = task_of(spec, suite), batch_asker(suite)
        found: dict[int, Any] = {}
        for begin in range(0, len(order), at_once):
            together = order[begin : begin + at_once]
            answered = await asyncio.gather(*(task.answer(chunks[number], asker.ask) for number in together))
            found.update(zip(together, answered, strict=True))
        return found

    numbers = list(range(len(chunks)))
    try:
        once = asyncio.run(answers(numbers, 1))
        for at_once in (3, 10):
            assert asyncio.run(answers(draw.sample(numbers, len(numbers)), at_once)) == once
    finally:
        suite.close()
