"""When requests that have been begun are to be looked at."""

import pytest
import torch

from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.model import RondoModel
from rondo_services.engine.core import EngineCore
from rondo_services.engine.leaving import Leaving
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Classify, Explain, Generate, Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import TimedOut


def _ticket(deadline: float | None = None) -> Ticket:
    return Ticket(Classify("sentiment", (4, 3)), deadline=deadline)


def _core(model: RondoModel, limits: Limits, now: list[float]) -> EngineCore:
    """Of which the time is what the list says."""
    return EngineCore(
        model, end_id=3, forbidden=range(4), limits=limits, observer=EngineObserver(), clock=lambda: now[0]
    )


def test_after_each_that_is_cancelled_once() -> None:
    leaving = Leaving()
    assert not leaving.may_have_happened(0.0)
    _ticket().cancel()
    assert leaving.may_have_happened(0.0)
    assert not leaving.may_have_happened(0.0)
    first, second = _ticket(), _ticket()
    for ticket in (first, second, first):
        ticket.cancel()
    assert leaving.may_have_happened(0.0)


def test_after_the_earliest_deadline() -> None:
    leaving = Leaving()
    leaving.came([_ticket(), _ticket(7.0)])
    leaving.came([_ticket(5.0), _ticket(9.0)])
    leaving.came([])
    assert not leaving.may_have_happened(5.0)
    assert leaving.may_have_happened(5.1)
    assert leaving.may_have_happened(5.2)
    leaving.left([_ticket(7.0), _ticket()])
    assert not leaving.may_have_happened(7.0)
    assert leaving.may_have_happened(7.1)
    leaving.left([])
    assert not leaving.may_have_happened(1e9)


@torch.inference_mode()
def test_of_many_that_run_each_ends_at_its_own_deadline(tiny_model: RondoModel) -> None:
    now = [100.0]
    core = _core(tiny_model, Limits(), now)
    work = Generate("generation", (2, 4), SamplingParameters(max_tokens=1000, temperature=0))
    tickets = [Ticket(work, deadline=None if number == 5 else 101.0 + number) for number in range(20)]
    core.add(tickets)
    for _ in range(3):
        core.tick()
    for passed in (0, 3, 4, 11):
        now[0] = 101.5 + passed
        core.tick()
        ended = [ticket.future.done() for ticket in tickets]
        assert ended == [number <= passed and number != 5 for number in range(20)]
    with pytest.raises(TimedOut):
        tickets[0].future.result()
    tickets[5].cancel()
    core.tick()
    assert tickets[5].future.done()
    assert core.runner.num_rows == 8


@torch.inference_mode()
def test_those_that_wait_end_in_time_wherever_they_are_in_the_queue(tiny_model: RondoModel) -> None:
    """Only the first in the queue was looked at: one with 0.3 s got its 504 after a minute."""
    now = [100.0]
    core = _core(tiny_model, Limits(max_rows=1), now)
    endless = Generate("generation", (2, 4), SamplingParameters(max_tokens=1000, temperature=0))
    works: list[Work] = [
        endless,
        endless,
        endless,
        endless,
        Explain("sentiment", (4,) * 400 + (3,)),
        Explain("sentiment", (4, 3)),
    ]
    tickets = [Ticket(work, deadline=101.0 if number in (2, 5) else None) for number, work in enumerate(works)]
    core.add(tickets)
    core.tick()
    tickets[3].cancel()
    now[0] = 102.0
    core.tick()
    assert [ticket.future.done() for ticket in tickets] == [False, False, True, True, False, True]
    assert core.scheduler.waiting() == [tickets[1]]
    assert core.scheduler.waiting_tokens == tickets[1].num_tokens
    with pytest.raises(TimedOut):
        tickets[5].future.result()
