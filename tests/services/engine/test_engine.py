"""Every request ends exactly once, with the answer that it would have had alone."""

import random
import threading
import time
from collections.abc import Callable

import pytest
import torch

from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.prompts import nothing_read
from rondo_models.decoding.search import decode_batch, generate
from rondo_models.executor import TorchExecutor
from rondo_models.model import RondoModel
from rondo_models.training.sequences import padded
from rondo_services.engine.engine import Engine
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Classify, Generate, Generated, Search, Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Cancelled, EngineFailed, InvalidInput, Overloaded, TimedOut

END = 3
FORBIDDEN = (0, 1, 2)


def _mixed_works(count: int, seed: int) -> list[Work]:
    rng = random.Random(seed)
    works: list[Work] = []
    for number in range(count):
        ids = tuple(rng.randrange(4, 30) for _ in range(rng.randrange(1, 25)))
        match number % 4:
            case 0:
                works.append(Classify("sentiment", (*ids, END)))
            case 1:
                works.append(Generate("generation", (2, *ids), SamplingParameters(max_tokens=15, seed=number)))
            case 2:
                parameters = BeamParameters(beam_size=rng.choice([1, 3]), max_tokens=12)
                works.append(Search("translation", (*ids, END), 2, parameters))
            case _:
                parameters = BeamParameters(beam_size=2, max_tokens=9, no_repeat_ngram=2)
                works.append(Search("summarization", (*ids, END), 2, parameters))
    return works


def _reference(model: RondoModel, work: Work) -> object:
    """The plain loops, one request at a time."""
    executor = TorchExecutor(model, FORBIDDEN)
    with torch.inference_mode():
        if isinstance(work, Generate):
            before = nothing_read(model, work.head, 1)
            return list(generate(executor, work.head, work.ids, before, work.parameters, END).ids)
        encoded = model.backbone.encode(*padded([work.ids], 0))
        if isinstance(work, Classify):
            return model.classifier(work.head)(encoded).softmax(dim=-1)[0].tolist()
        assert isinstance(work, Search)
        return decode_batch(executor, work.head, encoded, [work.first_id], work.parameters, END)[0]


def _assert_as_reference(model: RondoModel, work: Work, result: object) -> None:
    expected = _reference(model, work)
    if isinstance(work, Classify):
        assert result == pytest.approx(expected, abs=1e-5)
    elif isinstance(result, Generated):
        assert list(result.ids) == expected
    else:
        assert [h.ids for h in result] == [h.ids for h in expected]  # type: ignore[attr-defined]


def test_mixed_requests_get_the_answers_they_would_get_alone(
    tiny_model: RondoModel, make_engine: Callable[..., Engine]
) -> None:
    works = _mixed_works(80, 1)
    tickets = make_engine().submit_all(works)
    for work, ticket in zip(works, tickets, strict=True):
        _assert_as_reference(tiny_model, work, ticket.future.result(timeout=60))


def test_requests_admitted_while_others_are_written_get_the_same_answers(
    tiny_model: RondoModel, make_engine: Callable[..., Engine]
) -> None:
    engine = make_engine(limits=Limits(max_rows=12, tokens_per_cut=40))
    works, tickets = _mixed_works(60, 2), []
    rng = random.Random(0)
    for work in works:
        tickets.append(engine.submit(work))
        time.sleep(rng.choice([0, 0, 0.003]))
    for work, ticket in zip(works, tickets, strict=True):
        _assert_as_reference(tiny_model, work, ticket.future.result(timeout=60))


def test_services_waiting_together_share_one_encoded_batch(make_engine: Callable[..., Engine]) -> None:
    class Batches(EngineObserver):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def encoded(self, requests: int, tokens: int) -> None:
            self.sizes.append(requests)

    observer = Batches()
    engine = make_engine(observer=observer, max_wait_s=0.2)
    beam = BeamParameters(beam_size=1, max_tokens=3)
    works: list[Work] = [
        Classify("sentiment", (4, 5, END)),
        Search("translation", (6, 7, END), 2, beam),
        Search("summarization", (8, 9, END), 2, beam),
    ]
    for ticket in engine.submit_all(works):
        ticket.future.result(timeout=60)
    assert observer.sizes == [3]


def test_tokens_are_handed_out_as_they_are_written(make_engine: Callable[..., Engine]) -> None:
    heard: list[int] = []
    work = Generate("generation", (2, 5), SamplingParameters(max_tokens=10, seed=1))
    result = (
        make_engine().submit(work, on_token=lambda identifier, _: heard.append(identifier)).future.result(timeout=60)
    )
    assert isinstance(result, Generated)
    assert heard == list(result.ids)


def _long() -> Generate:
    """Writes for a long time: the end symbol would need luck at every step."""
    return Generate("generation", (2, 5), SamplingParameters(max_tokens=100_000, temperature=0))


def _endless(engine: Engine, started: threading.Event) -> Ticket:
    return engine.submit(_long(), on_token=lambda *_: started.set())


def test_a_cancelled_request_frees_its_row_and_leaves_its_neighbour_alone(
    tiny_model: RondoModel, make_engine: Callable[..., Engine]
) -> None:
    engine, started = make_engine(), threading.Event()
    ticket = _endless(engine, started)
    neighbour = _mixed_works(8, 3)[5]
    other = engine.submit(neighbour)
    assert started.wait(30)
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.future.result(timeout=30)
    _assert_as_reference(tiny_model, neighbour, other.future.result(timeout=60))
    assert engine.submit(Classify("sentiment", (4, END))).future.result(timeout=30)


def test_a_deadline_ends_a_running_request(make_engine: Callable[..., Engine]) -> None:
    now = [0.0]
    engine, started = make_engine(clock=lambda: now[0]), threading.Event()
    ticket = engine.submit(_long(), deadline=10.0, on_token=lambda *_: started.set())
    assert started.wait(30)
    assert not ticket.future.done()
    now[0] = 11.0
    with pytest.raises(TimedOut):
        ticket.future.result(timeout=30)


def test_a_full_queue_refuses_all_of_a_list_or_none(make_engine: Callable[..., Engine]) -> None:
    engine, started = make_engine(limits=Limits(max_waiting=3, max_rows=1)), threading.Event()
    running = _endless(engine, started)
    assert started.wait(30)
    waiting = engine.submit_all([_long(), _long()])
    with pytest.raises(Overloaded) as refusal:
        engine.submit_all([_long(), _long()])
    assert refusal.value.retry_after_s >= 1
    assert engine.submit(_long())
    for ticket in [running, *waiting]:
        ticket.cancel()


def test_a_refused_list_leaves_nothing_in_the_queue(make_engine: Callable[..., Engine]) -> None:
    """Once a list was refused at the token limit after its first part had been queued for nobody."""

    class Queue(EngineObserver):
        waiting = 0

        def queued(self, waiting: int) -> None:
            self.waiting = waiting

    observer, started = Queue(), threading.Event()
    engine = make_engine(limits=Limits(max_rows=1, max_waiting_tokens=10), observer=observer)
    running = _endless(engine, started)
    assert started.wait(30)
    with pytest.raises(Overloaded):
        engine.submit_all([Classify("sentiment", (4,) * 6), Classify("sentiment", (4,) * 6)])
    assert observer.waiting == 0
    running.cancel()


@pytest.mark.parametrize("ids", [(), (30,), (-1,)])
def test_ids_outside_the_vocabulary_are_refused(make_engine: Callable[..., Engine], ids: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput):
        make_engine().submit(Classify("sentiment", ids))


def test_one_request_that_breaks_the_model_fails_alone(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = tiny_model.backbone.encode

    def fragile(ids: torch.Tensor, lengths: torch.Tensor) -> object:
        if bool((ids == 29).any()):
            raise RuntimeError("broken kernel")
        return encode(ids, lengths)

    monkeypatch.setattr(tiny_model.backbone, "encode", fragile)
    works = [Classify("sentiment", ids) for ids in ((4, END), (29, END), (5, END))]
    good, bad, also_good = make_engine(max_wait_s=0.1).submit_all(works)
    assert good.future.result(timeout=30)
    assert also_good.future.result(timeout=30)
    with pytest.raises(EngineFailed, match="broken kernel"):
        bad.future.result(timeout=30)


def test_closing_ends_what_is_in_flight_and_refuses_what_comes(make_engine: Callable[..., Engine]) -> None:
    engine, started = make_engine(limits=Limits(max_rows=1)), threading.Event()
    running = _endless(engine, started)
    assert started.wait(30)
    waiting = engine.submit(_long())
    engine.close()
    for ticket in (running, waiting):
        with pytest.raises(EngineFailed):
            ticket.future.result(timeout=1)
    with pytest.raises(EngineFailed):
        engine.submit(_long())
    assert not engine.is_alive


def test_draining_lets_running_requests_finish(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    ticket = engine.submit(Generate("generation", (2, 5), SamplingParameters(max_tokens=200, seed=1)))
    engine.drain(timeout_s=30)
    assert isinstance(ticket.future.result(timeout=0), Generated)
    with pytest.raises(EngineFailed):
        engine.submit(_long())


def test_a_request_for_an_unknown_head_is_refused_and_harms_nobody(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    with pytest.raises(InvalidInput, match="no head 'mood'; there are sentiment"):
        engine.submit(Classify("mood", (4, END)))
    assert engine.submit(Classify("sentiment", (4, END))).future.result(timeout=30)


def test_a_request_without_a_finite_score_fails_alone(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = tiny_model.seq2seq("translation")
    scores = head.log_probabilities
    monkeypatch.setattr(head, "log_probabilities", lambda *arguments: scores(*arguments) * torch.nan)
    engine = make_engine()
    bad = engine.submit(Search("translation", (4, END), 2, BeamParameters(beam_size=2, max_tokens=3)))
    with pytest.raises(EngineFailed, match="no finite score"):
        bad.future.result(timeout=30)
    assert engine.submit(Classify("sentiment", (4, END))).future.result(timeout=30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_breaks_leaves_no_request_waiting(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that had left the queue but not begun were once lost when the engine's thread died."""
    engine = make_engine(max_wait_s=0.1)

    def broken(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(engine._core.runner, "encode", broken)
    tickets = engine.submit_all([Classify("sentiment", (4, END)), Classify("sentiment", (5, END))])
    for ticket in tickets:
        with pytest.raises(EngineFailed):
            ticket.future.result(timeout=30)
    assert not engine.is_alive


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_texts_read_in_parts_get_the_same_answers(
    make_engine: Callable[..., Engine], tiny_model: RondoModel, chunk: int
) -> None:
    works = _mixed_works(40, seed=3)
    engine = make_engine(limits=Limits(chunk_tokens=chunk, tokens_per_cut=20))
    tickets = engine.submit_all(works)
    for work, ticket in zip(works, tickets, strict=True):
        _assert_as_reference(tiny_model, work, ticket.future.result(timeout=30))


def test_a_repeated_or_longer_prompt_gets_the_same_answer(
    make_engine: Callable[..., Engine], tiny_model: RondoModel
) -> None:
    engine = make_engine()
    for ids in [(2, 4, 5, 6, 7), (2, 4, 5, 6, 7), (2, 4, 5, 6, 7, 8, 9), (2, 4), (2, 4, 5, 6, 8)]:
        work = Generate("generation", ids, SamplingParameters(max_tokens=10, seed=5))
        _assert_as_reference(tiny_model, work, engine.submit(work).future.result(timeout=30))


def test_writing_goes_on_from_a_kept_state(make_engine: Callable[..., Engine]) -> None:
    """Ten tokens at once are the same as five, and five more from the state after them."""
    engine = make_engine()

    def written(work: Generate) -> Generated:
        result = engine.submit(work).future.result(timeout=30)
        assert isinstance(result, Generated)
        return result

    greedy = SamplingParameters(max_tokens=10, temperature=0)
    for first in range(4, 12):
        whole = written(Generate("generation", (2, first), greedy))
        half = SamplingParameters(max_tokens=5, temperature=0)
        begun = written(Generate("generation", (2, first), half, return_state=True))
        if begun.finish_reason == "stop":
            continue
        rest = written(Generate("generation", tuple(begun.ids[-1:]), half, state=begun.state))
        assert begun.ids + rest.ids == whole.ids


def test_a_state_of_another_model_fails_alone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    ticket = engine.submit(Generate("generation", (4,), SamplingParameters(), state=b"1234"))
    with pytest.raises(EngineFailed, match="another size"):
        ticket.future.result(timeout=30)
    assert engine.submit(Classify("sentiment", (4, END))).future.result(timeout=30)
