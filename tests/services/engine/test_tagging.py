"""Labels of words through the engine: a text alone = in a mixed batch = read in parts, and what is refused."""

from typing import Any

import msgpack
import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.tagger import TaggerConfig, WordPlaces
from rondo_models.model import HeadConfig, RondoModel
from rondo_models.native.loading import fastest_kernels
from rondo_models.training.sequences import padded
from rondo_services.engine.admission import Entrance
from rondo_services.engine.engine import Engine
from rondo_services.engine.messages import received_result, received_work, result_values, work_values
from rondo_services.engine.requests import Classify, Tag, Tagged, Ticket, Work
from rondo_services.engine.scheduler import Limits, rows_of
from rondo_services.errors import EngineFailed, InvalidInput

END = 3
SHAPES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "transformer": {"encoder": "transformer", "encoder_layers": 1, "encoder_heads": 3, "feedforward_size": 8},
}


def _model(shape: str) -> RondoModel:
    torch.manual_seed(0)
    backbone = BackboneConfig(30, embedding_size=12, hidden_size=16, **SHAPES[shape])
    heads: dict[str, HeadConfig] = {
        "compression": TaggerConfig(("delete", "keep", "other"), 8, 8),
        "sentiment": ClassifierConfig(("no", "yes"), hidden_size=8),
    }
    return RondoModel(backbone, heads).eval().requires_grad_(False)


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> RondoModel:
    return _model(request.param)


def _work(sizes: tuple[int, ...], seed: int = 1) -> Tag:
    ids = torch.randint(4, 30, (sum(sizes),), generator=torch.Generator().manual_seed(seed)).tolist()
    return Tag("compression", (*ids, END), sizes)


WORKS: list[Work] = [
    _work((2, 1, 3)),
    Classify("sentiment", (5, 6, END)),
    _work((1,), 2),
    _work((4, 1) * 9, 3),
    _work((1,) * 30, 4),
    Classify("sentiment", (4,) * 20),
]


def _expected(model: RondoModel, work: Tag) -> list[list[float]]:
    with torch.inference_mode():
        encoded = model.backbone.encode(*padded([work.ids], 0))
        logits = model.tagger("compression")(encoded, WordPlaces.of([work.sizes]))
    probabilities: list[list[float]] = logits[0].softmax(dim=-1).tolist()
    return probabilities


def _answers(model: RondoModel, precision: str, limits: Limits, works: list[Work]) -> list[object]:
    engine = Engine(model, end_id=END, forbidden=(0, 1, 2), precision=precision, limits=limits, max_wait_s=0)  # type: ignore[arg-type]
    try:
        return [ticket.future.result(timeout=60) for ticket in engine.submit_all(works)]
    finally:
        engine.close()


@pytest.mark.parametrize("limits", [Limits(), Limits(chunk_tokens=7), Limits(tokens_per_cut=8)])
def test_every_word_gets_the_probabilities_that_the_model_gives_it(model: RondoModel, limits: Limits) -> None:
    for work, answer in zip(WORKS, _answers(model, "float32", limits, WORKS), strict=True):
        if isinstance(work, Tag):
            assert isinstance(answer, Tagged)
            assert len(answer.probabilities) == len(work.sizes)
            for own, expected in zip(answer.probabilities, _expected(model, work), strict=True):
                assert own == pytest.approx(expected, abs=1e-5)
        else:
            assert isinstance(answer, tuple)


@pytest.mark.parametrize("precision", ["mixed", "int16"])
def test_kernels_read_for_it_and_company_changes_no_bit(precision: str) -> None:
    if fastest_kernels("int16" if precision == "int16" else "bfloat16") is None:
        pytest.skip("there are no such kernels for this processor")
    model = _model("lstm")
    together = _answers(model, precision, Limits(), WORKS)
    alone = [_answers(model, precision, Limits(chunk_tokens=7), [work])[0] for work in WORKS]
    assert together == alone
    for work, answer in zip(WORKS, together, strict=True):
        if isinstance(work, Tag):
            assert isinstance(answer, Tagged)
            for own, expected in zip(answer.probabilities, _expected(model, work), strict=True):
                assert own == pytest.approx(expected, abs=5e-3)


def test_a_request_that_breaks_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model("lstm")
    head = model.tagger("compression")
    forward = head.forward

    def breaking(encoded: object, places: WordPlaces) -> torch.Tensor:
        if (places.lengths == 30).any():
            raise RuntimeError("thirty words")
        return forward(encoded, places)  # type: ignore[arg-type]

    monkeypatch.setattr(head, "forward", breaking)
    engine = Engine(model, end_id=END, forbidden=(0, 1, 2), precision="float32", max_wait_s=0)
    try:
        tickets = engine.submit_all(WORKS)
        with pytest.raises(EngineFailed, match="thirty words"):
            tickets[4].future.result(timeout=60)
        assert all(ticket.future.result(timeout=60) for number, ticket in enumerate(tickets) if number != 4)
    finally:
        engine.close()


def test_requests_and_answers_go_through_the_socket() -> None:
    work = _work((2, 1, 3))
    received = received_work(msgpack.unpackb(msgpack.packb(work_values(Ticket(work)))))
    assert received.work == work
    answer = Tagged(((0.25, 0.75), (0.5, 0.5)))
    assert received_result(work, msgpack.unpackb(msgpack.packb(result_values(answer)))) == answer


def test_it_writes_no_sequence() -> None:
    assert rows_of(_work((1, 2))) == 0


@pytest.fixture
def entrance() -> Entrance:
    return Entrance(["compression"], 30, Limits(), lambda _: None)


@pytest.mark.parametrize("sizes", [(), (0, 2), (2, 1, 2)])
def test_words_must_be_of_the_ids(entrance: Entrance, sizes: tuple[int, ...]) -> None:
    entrance.check([Tag("compression", (4, 5, 6, END), (1, 2))])
    with pytest.raises(InvalidInput, match="words need a piece each"):
        entrance.check([Tag("compression", (4, 5, 6, END), sizes)])
