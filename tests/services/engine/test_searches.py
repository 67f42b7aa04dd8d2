"""Searches with required phrases or returned attention, among plain ones."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgpack
import pytest
import torch

from rondo_models.config import Precision
from rondo_models.decoding.channel import log_likelihoods, reranked
from rondo_models.decoding.parameters import BeamParameters, Hypothesis, SamplingParameters
from rondo_models.decoding.search import decode_batch
from rondo_models.executor import TorchExecutor
from rondo_models.model import RondoModel
from rondo_models.training.sequences import padded
from rondo_services.engine import piecewise
from rondo_services.engine.admission import Entrance
from rondo_services.engine.core import EngineCore
from rondo_services.engine.engine import Engine
from rondo_services.engine.messages import received_result, received_work, result_values, work_values
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.requests import Channel, Generate, Search, Ticket
from rondo_services.engine.scheduler import Limits, rows_of
from rondo_services.engine.worker import engine_core
from rondo_services.errors import EngineFailed, InvalidInput
from rondo_tokenizers.vocabulary import Tokenizer

END = 3
FORBIDDEN = (0, 1, 2)


def _works(count: int) -> list[Search]:
    """Two in three plain, one with phrases; some with attention; of both decoders."""
    rng, works = random.Random(3), []
    for number in range(count):
        ids = (*(rng.randrange(4, 30) for _ in range(rng.randrange(1, 12))), END)
        required = tuple(((rng.randrange(4, 30), rng.randrange(4, 30)),) for _ in range(rng.choice([1, 3])))
        parameters = BeamParameters(
            rng.choice([1, 3]), max_tokens=12, no_repeat_ngram=2, required=required if number % 3 == 0 else ()
        )
        head = rng.choice(["translation", "summarization"])
        works.append(Search(head, ids, 2, parameters, return_attention=rng.random() < 0.5))
    return works


def _alone(model: RondoModel, work: Search) -> list[Hypothesis]:
    with torch.inference_mode():
        encoded = model.backbone.encode(*padded([work.ids], 0))
        executor = TorchExecutor(model, FORBIDDEN)
        (found,) = decode_batch(
            executor, work.head, encoded, [2], work.parameters, END, return_attention=work.return_attention
        )
    return found


def _assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    assert [h.ids for h in found] == [h.ids for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.attention is None) == (other.attention is None)
        for row, expected_row in zip(one.attention or (), other.attention or (), strict=True):
            assert row == pytest.approx(expected_row, abs=1e-5)


def test_phrases_and_attention_change_nothing_for_the_neighbours(
    tiny_model: RondoModel, make_engine: Callable[..., Engine]
) -> None:
    works = _works(45)
    tickets = make_engine(limits=Limits(max_rows=40)).submit_all(works)
    for work, ticket in zip(works, tickets, strict=True):
        found = ticket.future.result(timeout=60)
        assert isinstance(found, list)
        _assert_same(found, _alone(tiny_model, work))


def test_rows_are_kept_for_the_phrases() -> None:
    one, three = ((4,),), ((5, 6, 7), (8, 9, 10, 11))
    plain = Search("translation", (4, END), 2, BeamParameters(1))
    assert rows_of(plain) == 1
    assert rows_of(Search("translation", (4, END), 2, BeamParameters(1, required=(one,)))) == 2
    assert rows_of(Search("translation", (4, END), 2, BeamParameters(1, required=(one, three)))) == 5
    assert rows_of(Search("translation", (4, END), 2, BeamParameters(12, required=(one, three)))) == 12


@pytest.mark.parametrize("phrase", [(END,), (4, 1), (4, 30), (-1,)])
def test_a_phrase_that_is_never_written_is_refused(make_engine: Callable[..., Engine], phrase: tuple[int, ...]) -> None:
    engine = make_engine()
    parameters = BeamParameters(1, max_tokens=4, required=((phrase,),))
    with pytest.raises(InvalidInput, match="required phrase"):
        engine.submit(Search("translation", (4, END), 2, parameters))


def test_more_rows_than_there_are_at_all_are_refused() -> None:
    entrance = Entrance(["translation"], 30, Limits(max_rows=3), lambda count: None)
    entrance.check([Search("translation", (4,), 2, BeamParameters(1, required=(((4, 5),),)))])
    with pytest.raises(InvalidInput, match="at most 3 hypotheses"):
        entrance.check([Search("translation", (4,), 2, BeamParameters(1, required=(((4, 5, 6),),)))])


def test_searches_and_their_answers_pass_the_socket_unchanged() -> None:
    parameters = BeamParameters(2, 2, 9, 0.5, 0.1, 3, required=(((4, 5), (6,)), ((7,),)), max_repeats=4, avoid="x")
    work = Search("translation", (4, 5, END), 2, parameters, Channel(9, 0.5), return_attention=True)
    received = received_work(msgpack.unpackb(msgpack.packb(work_values(Ticket(work)))))
    assert received.work == work
    answer = [
        Hypothesis((4, 5), -1.0, -2.0, "stop", ((0.5, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),
        Hypothesis((4,), -1.5, -2.5, "loop"),
    ]
    assert received_result(work, msgpack.unpackb(msgpack.packb(result_values(answer)))) == answer


@torch.inference_mode()
def test_hypotheses_explain_their_source_a_few_at_a_time(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = log_likelihoods

    def counted(model: RondoModel, head: str, sources: Sequence[Sequence[int]], *others: Any) -> list[float]:
        asked.append(len(sources))
        return whole(model, head, sources, *others)

    monkeypatch.setattr(piecewise, "log_likelihoods", counted)
    ids = (*range(4, 30), *range(4, 30), *range(4, 30), END)
    plain = Search("translation", ids, 2, BeamParameters(8, num_best=8, max_tokens=12))
    expected = _alone(tiny_model, plain)
    back = whole(tiny_model, "translation", [(*own.ids, END) for own in expected], [ids] * len(expected), 5)
    (ticket,) = make_engine().submit_all([replace(plain, channel=Channel(5, 2.0))])
    found = cast("list[Hypothesis]", ticket.future.result(30))
    assert [own.ids for own in found] == [own.ids for own in reranked(expected, back, len(ids), 2.0)]
    assert asked == [3, 3, 2]


def test_a_request_that_can_not_be_reranked_fails_alone(make_engine: Callable[..., Engine]) -> None:
    """It took everything with it that was being written."""
    engine = make_engine()
    search = Search("summarization", (4, 5, END), 2, BeamParameters(2, num_best=2, max_tokens=40))
    stream = Generate("generation", (2, 4), SamplingParameters(max_tokens=60))
    copying, neighbour, other = engine.submit_all([replace(search, channel=Channel(5, 1.0)), search, stream])
    with pytest.raises(EngineFailed, match="the head summarization copies"):
        copying.future.result(30)
    assert neighbour.future.result(30)
    assert other.future.result(30)


@torch.inference_mode()
def test_what_is_reranked_holds_no_rows(tiny_model: RondoModel) -> None:
    """All of its hypotheses are written, so others may begin."""
    limits = Limits(max_rows=8, patience_s=0.0)
    core = EngineCore(tiny_model, end_id=END, forbidden=FORBIDDEN, limits=limits, observer=EngineObserver())
    search = Search("translation", (*range(4, 30), *range(4, 30), END), 2, BeamParameters(8, num_best=8, max_tokens=6))
    first, second = (Ticket(replace(search, channel=Channel(5, 1.0)), priority="batch") for _ in range(2))
    core.add([first, second])
    while not core.runner._reranked:
        core.tick()
    assert not first.future.done()
    assert (core.runner.num_rows, core.runner.num_kept_rows, core.runner.num_batch_rows) == (0, 0, 0)
    core.tick()
    assert core.runner.num_rows == 8
    while not second.future.done():
        core.tick()
    assert first.future.done()
    assert core.is_idle


@pytest.mark.parametrize("precision", ["float32", None])
@torch.inference_mode()
def test_bytes_are_written_as_whole_characters(bundle_folder: Path, precision: Precision | None) -> None:
    """A translation of "CO₂ is a gas." had U+FFFD. This model knows nothing, and most of its vocabulary are bytes."""
    core, contents = engine_core(WorkerOptions(bundle_folder, Limits(), precision, 0.0, 1), EngineObserver())
    tokenizer = Tokenizer(contents.tokenizer)
    ids, first_id = (*tokenizer.encode("The boat is late."), tokenizer.end_id), tokenizer.target_ids["de"]
    phrase = ((tuple(tokenizer.encode_continuation("₂")),),)
    searches = [
        Search(head, ids[start:], first_id, BeamParameters(beam, num_best=beam, max_tokens=longest, **more), **others)
        for head in ("translation", "summarization")
        for start in range(3)
        for beam, longest in ((1, 40), (4, 17))
        for more in ({}, {"no_repeat_ngram": 3, "max_repeats": 2}, {"avoid": "hangul"}, {"required": phrase})
        for others in cast("list[dict[str, Any]]", [{}, {"return_attention": True}])
    ]
    channel = Channel(tokenizer.target_ids["en"], 1.0)
    tickets = [Ticket(work) for work in (*searches, *(replace(own, channel=channel) for own in searches[:8]))]
    core.add(tickets)
    while not core.is_idle:
        core.tick()
    found = [own for ticket in tickets for own in cast("list[Hypothesis]", ticket.future.result(0))]
    assert any(set(own.ids) & set(tokenizer.byte_ids[0xC2:]) for own in found)
    assert not [text for own in found if "\ufffd" in (text := tokenizer.decode(own.ids))]
