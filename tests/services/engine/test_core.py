"""When requests wait for others to share a batch."""

from typing import Any

import pytest

from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.model import RondoModel
from rondo_services.engine.core import EngineCore
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Classify, Generate, Ticket
from rondo_services.engine.scheduler import Limits

FORBIDDEN = (0, 1, 2)


@pytest.fixture
def core(tiny_model: RondoModel) -> EngineCore:
    limits = Limits(tokens_per_cut=200)
    return EngineCore(tiny_model, end_id=3, forbidden=FORBIDDEN, limits=limits, observer=EngineObserver())


def _come(core: EngineCore, count: int, length: int = 3) -> None:
    core.add([Ticket(Classify("sentiment", (4,) * (length - 1) + (3,))) for _ in range(count)])


def _wait_after(core: EngineCore, last: int, count: int) -> bool:
    """Whether `count` requests wait for company where `last` came before."""
    _come(core, last)
    core.tick()
    _come(core, count)
    return core.may_wait_for_company


@pytest.mark.parametrize(
    ("last", "count", "waits"),
    [
        (1, 1, False),  # who came alone comes alone again
        (5, 4, True),
        (5, 5, False),  # all that there are have come
        (5, 6, False),
        (40, 15, True),
        (40, 16, False),  # enough
    ],
)
def test_as_many_are_waited_for_as_came_last_time(core: EngineCore, last: int, count: int, waits: bool) -> None:
    assert _wait_after(core, last, count) is waits


def test_the_first_of_all_waits_for_nobody(core: EngineCore) -> None:
    _come(core, 1)
    assert not core.may_wait_for_company


def test_a_full_cut_waits_for_nobody(core: EngineCore) -> None:
    _come(core, 5)
    core.tick()
    _come(core, 2, length=100)
    assert not core.may_wait_for_company


def test_beside_a_stream_a_long_text_is_classified_in_a_round_of_its_own(tiny_model: RondoModel) -> None:
    reads: list[int] = []
    limits = Limits(tokens_per_cut=200, chunk_tokens=8)
    core = EngineCore(tiny_model, end_id=3, forbidden=(*FORBIDDEN, 3), limits=limits, observer=EngineObserver())
    read_part = core.runner.executor.read_part

    def counted(*args: Any, **options: Any) -> Any:
        reads.append(args[1].shape[1])
        return read_part(*args, **options)

    core.runner.executor.read_part = counted  # type: ignore[method-assign]
    stream = Ticket(Generate("generation", (4, 5), SamplingParameters(max_tokens=500)), on_token=lambda *_: None)
    core.add([stream])
    core.tick()
    text = Ticket(Classify("sentiment", (4,) * 99 + (3,)))
    core.add([text])
    rounds: list[int] = []
    while not text.future.done():
        before = len(reads)
        core.tick()
        rounds.append(len(reads) - before)
    assert rounds[-1] == 0
    assert rounds[-2] > 0
    assert not stream.future.done()
