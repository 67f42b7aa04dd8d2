"""When requests wait for others to share a batch."""

import pytest

from rondo_models.model import RondoModel
from rondo_services.engine.core import EngineCore
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Classify, Ticket
from rondo_services.engine.scheduler import Limits

FORBIDDEN = (0, 1, 2)


@pytest.fixture
def core(tiny_model: RondoModel) -> EngineCore:
    limits = Limits(tokens_per_cut=200)
    return EngineCore(tiny_model, end_id=3, forbidden=FORBIDDEN, limits=limits, observer=EngineObserver())


def _come(core: EngineCore, count: int, length: int = 3) -> None:
    core.scheduler.add([Ticket(Classify("sentiment", (4,) * (length - 1) + (3,))) for _ in range(count)])


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
