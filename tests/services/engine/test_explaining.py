"""Explanations between decoding steps: they are those of the model alone, and their neighbours do not notice."""

import threading
from collections.abc import Callable

import msgpack
import pytest
import torch

from rondo_models import saliency as saliency_module
from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.model import RondoModel
from rondo_models.saliency import SaliencyWork, saliency
from rondo_services.engine.engine import Engine
from rondo_services.engine.explaining import Explainer
from rondo_services.engine.messages import received_result, received_work, result_values, work_values
from rondo_services.engine.requests import (
    EXPLANATION_INTERVALS,
    Classify,
    Explain,
    Explained,
    Generate,
    Generated,
    Ticket,
    num_tokens_of,
)
from rondo_services.engine.scheduler import Limits, Scheduler
from rondo_services.errors import Cancelled, EngineFailed, Overloaded, TimedOut

END = 3
LONG = (*(4 + number % 26 for number in range(200)), END)
SHORT = (5, 9, 7, END)


def _assert_is_that_of_the_model(model: RondoModel, work: Explain, result: object) -> None:
    expected = saliency(model, work.head, work.ids)
    assert isinstance(result, Explained)
    assert result.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert result.saliency == pytest.approx(expected.tokens, abs=1e-4)


def _writing(seed: int) -> Generate:
    return Generate("generation", (2, 5, seed), SamplingParameters(max_tokens=40, seed=seed))


def _ids(ticket: Ticket) -> tuple[int, ...]:
    result = ticket.future.result(timeout=60)
    assert isinstance(result, Generated)
    return tuple(result.ids)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set once an explanation has been begun, none of which ends before it is given up."""
    event = threading.Event()

    def endless(_: SaliencyWork) -> None:
        event.set()

    monkeypatch.setattr(SaliencyWork, "advance", endless)
    return event


def test_explanations_among_other_requests_are_those_of_the_model(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saliency_module, "_TOKENS_IN_PART", 16)
    engine = make_engine()
    alone = [_ids(engine.submit(_writing(seed))) for seed in range(4, 8)]
    classified = engine.submit(Classify("sentiment", SHORT)).future.result(timeout=60)
    works = [Explain("sentiment", SHORT), Explain("sentiment", LONG), Explain("sentiment", (END,))]
    explanations = engine.submit_all(works)
    written = engine.submit_all([_writing(seed) for seed in range(4, 8)])
    again = engine.submit(Classify("sentiment", SHORT))
    for work, ticket in zip(works, explanations, strict=True):
        _assert_is_that_of_the_model(tiny_model, work, ticket.future.result(timeout=60))
    assert [_ids(ticket) for ticket in written] == alone
    assert again.future.result(timeout=60) == pytest.approx(classified, abs=1e-5)


def test_others_are_answered_while_a_text_is_explained(
    make_engine: Callable[..., Engine], begun: threading.Event
) -> None:
    engine = make_engine()
    running, waiting = engine.submit_all([Explain("sentiment", LONG), Explain("sentiment", SHORT)])
    assert begun.wait(30)
    assert engine.submit(Classify("sentiment", SHORT)).future.result(timeout=30)
    assert engine.submit(_writing(4)).future.result(timeout=30)
    assert not running.future.done()
    assert not waiting.future.done()


def test_a_cancelled_explanation_makes_room_for_the_next(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, begun, advance = make_engine(), threading.Event(), SaliencyWork.advance
    cancelled = threading.Event()

    def advance_once_cancelled(work: SaliencyWork) -> None:
        begun.set()
        if cancelled.is_set():
            advance(work)

    monkeypatch.setattr(SaliencyWork, "advance", advance_once_cancelled)
    first, second = engine.submit_all([Explain("sentiment", LONG), Explain("sentiment", SHORT)])
    neighbour = engine.submit(_writing(4))
    assert begun.wait(30)
    first.cancel()
    with pytest.raises(Cancelled):
        first.future.result(timeout=30)
    cancelled.set()
    _assert_is_that_of_the_model(tiny_model, Explain("sentiment", SHORT), second.future.result(timeout=30))
    assert neighbour.future.result(timeout=30)


def test_a_deadline_ends_an_explanation(make_engine: Callable[..., Engine], begun: threading.Event) -> None:
    now = [0.0]
    engine = make_engine(clock=lambda: now[0])
    ticket = engine.submit(Explain("sentiment", LONG), deadline=10.0)
    assert begun.wait(30)
    assert not ticket.future.done()
    now[0] = 11.0
    with pytest.raises(TimedOut):
        ticket.future.result(timeout=30)


def test_an_explanation_that_breaks_fails_alone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    bad, good = engine.submit_all([Explain("generation", SHORT), Explain("sentiment", SHORT)])
    with pytest.raises(EngineFailed, match="language_model"):
        bad.future.result(timeout=30)
    assert good.future.result(timeout=30)


def test_closing_ends_the_running_and_the_waiting_explanation(
    make_engine: Callable[..., Engine], begun: threading.Event
) -> None:
    engine = make_engine()
    tickets = engine.submit_all([Explain("sentiment", LONG), Explain("sentiment", SHORT)])
    assert begun.wait(30)
    engine.close()
    for ticket in tickets:
        with pytest.raises(EngineFailed):
            ticket.future.result(timeout=1)


def test_explanations_that_wait_count_with_all_the_reading_they_need(
    make_engine: Callable[..., Engine], begun: threading.Event
) -> None:
    work = Explain("sentiment", SHORT)
    needed = len(SHORT) * (EXPLANATION_INTERVALS + 1)
    assert num_tokens_of(work) == needed
    engine = make_engine(limits=Limits(max_waiting_tokens=2 * needed))
    engine.submit(work)
    assert begun.wait(30)
    engine.submit_all([work, work])
    with pytest.raises(Overloaded):
        engine.submit(work)


def test_those_nobody_waits_for_are_never_begun() -> None:
    scheduler, dropped = Scheduler(Limits()), []
    tickets = [
        Ticket(Explain("sentiment", SHORT)),
        Ticket(Explain("sentiment", SHORT), deadline=5.0),
        Ticket(Explain("sentiment", LONG), priority="batch"),
        Ticket(Explain("sentiment", SHORT)),
    ]
    scheduler.add(tickets)
    tickets[0].cancel()
    assert scheduler.cut(0.0, 10, 1000, lambda *_: None) == []
    assert scheduler.next_explanation(6.0, lambda ticket, _: dropped.append(ticket)) is tickets[3]
    assert dropped == tickets[:2]
    assert scheduler.next_explanation(6.0, lambda ticket, _: dropped.append(ticket)) is tickets[2]
    assert len(scheduler) == scheduler.waiting_tokens == 0


def test_requests_and_answers_cross_the_socket() -> None:
    work = Explain("sentiment", SHORT)
    received = received_work(msgpack.unpackb(msgpack.packb(work_values(Ticket(work)))))
    assert received.work == work
    result = Explained((0.25, 0.75), (0.5, -1.5, 0.0, 0.125))
    assert received_result(work, msgpack.unpackb(msgpack.packb(result_values(result)))) == result


def test_parts_that_take_longer_than_the_budget_are_made_up_for(
    tiny_model: RondoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, parts = [0.0], []

    def slow(_: SaliencyWork) -> None:
        now[0] += 10.0
        parts.append(now[0])

    monkeypatch.setattr(SaliencyWork, "advance", slow)
    monkeypatch.setattr("rondo_services.engine.explaining.time.monotonic", lambda: now[0])
    explainer = Explainer(tiny_model, lambda *_: None)
    explainer.begin(Ticket(Explain("sentiment", LONG)))
    for _ in range(50):
        explainer.advance(2.0)
    assert len(parts) in (10, 11)
    for _ in range(5):
        explainer.advance(40.0)
    assert len(parts) in range(28, 33)


def test_gradients_are_not_left_on_for_the_engine(make_engine: Callable[..., Engine]) -> None:
    engine, modes = make_engine(), []
    step = engine._core.runner.step

    def watched() -> None:
        modes.append(torch.is_inference_mode_enabled())
        step()

    engine._core.runner.step = watched  # type: ignore[method-assign]
    assert engine.submit(Explain("sentiment", SHORT)).future.result(timeout=30)
    assert modes
    assert all(modes)
