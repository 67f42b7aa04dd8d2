"""What the engine says of tokens is what the model says, whoever runs it and however long the text is."""

from array import array
from collections.abc import Callable

import msgpack
import pytest
import torch

from rondo_models.decoding.parameters import SamplingParameters, TokenScore
from rondo_models.model import RondoModel
from rondo_services.engine.engine import Engine
from rondo_services.engine.messages import received_result, received_work, result_values, work_values
from rondo_services.engine.requests import Generate, Generated, Likelihood, Likelihoods, Ticket, Work
from rondo_services.engine.scheduler import Limits

TEXT = (2, 5, 9, 4, 4, 28, 3, 17)


def _expected(model: RondoModel, ids: tuple[int, ...]) -> torch.Tensor:
    """(len(ids), vocabulary) log-probabilities of what comes after each id, by the plain model."""
    with torch.no_grad():
        backbone, head = model.backbone, model.language_model("generation")
        lower, _ = backbone.forward_stack(backbone.embed(torch.tensor([ids])), backbone.forward_stack.initial_state(1))
        hidden, _ = head.read(lower, head.initial_state(1))
        return head.logits(backbone, hidden[0]).log_softmax(dim=-1)


def _likelihoods(engine: Engine, ids: tuple[int, ...], num_likeliest: int = 0) -> tuple[TokenScore, ...]:
    result = engine.submit(Likelihood("generation", ids, num_likeliest)).future.result(timeout=60)
    assert isinstance(result, Likelihoods)
    return result.scores


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_each_token_is_scored_by_what_came_before(
    make_engine: Callable[..., Engine], tiny_model: RondoModel, precision: str
) -> None:
    expected = _expected(tiny_model, TEXT)
    scores = _likelihoods(make_engine(precision=precision), TEXT, 3)
    assert [score.id for score in scores] == list(TEXT[1:])
    for place, score in enumerate(scores):
        assert score.log_probability == pytest.approx(float(expected[place, score.id]), abs=2e-3)
        allowed = expected[place].clone()
        allowed[:3] = -torch.inf  # never written, so never likely
        values, ids = allowed.topk(3)
        assert [one for one, _ in score.likeliest] == ids.tolist()
        assert [value for _, value in score.likeliest] == pytest.approx(values.tolist(), abs=2e-3)


def test_a_long_text_is_scored_in_parts(make_engine: Callable[..., Engine], tiny_model: RondoModel) -> None:
    draw = torch.Generator().manual_seed(1)
    ids = (2, *torch.randint(4, 30, (700,), generator=draw).tolist())
    expected = _expected(tiny_model, ids)
    scores = _likelihoods(make_engine(limits=Limits(chunk_tokens=150)), ids)
    assert len(scores) == 700
    for place, score in enumerate(scores):
        assert score.log_probability == pytest.approx(float(expected[place, score.id]), abs=1e-4)


def test_a_text_of_one_token_has_no_scores(make_engine: Callable[..., Engine]) -> None:
    assert _likelihoods(make_engine(), (2,)) == ()


def test_written_tokens_are_scored_as_if_they_had_been_read(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    heard: list[TokenScore | None] = []
    parameters = SamplingParameters(max_tokens=12, temperature=2.0, repetition_penalty=1.5, seed=3, num_logprobs=2)
    work = Generate("generation", (2, 5), parameters)
    result = engine.submit(work, on_token=lambda _, score: heard.append(score)).future.result(timeout=60)
    assert isinstance(result, Generated)
    assert result.scores is not None
    ended = (3,) if result.finish_reason == "stop" else ()
    again = _likelihoods(engine, (2, 5, *result.ids, *ended), 2)[1:]
    assert [score.id for score in result.scores] == [*result.ids, *ended]
    for written, read in zip(result.scores, again, strict=True):
        assert written.log_probability == pytest.approx(read.log_probability, abs=1e-4)
        assert [one for one, _ in written.likeliest] == [one for one, _ in read.likeliest]
    assert heard == list(result.scores)[: len(result.ids)]


def test_no_scores_unasked(make_engine: Callable[..., Engine]) -> None:
    heard: list[TokenScore | None] = []
    work = Generate("generation", (2, 5), SamplingParameters(max_tokens=5, temperature=0))
    result = make_engine().submit(work, on_token=lambda _, score: heard.append(score)).future.result(timeout=60)
    assert isinstance(result, Generated)
    assert result.scores is None
    assert set(heard) <= {None}


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_a_bias_makes_tokens_likely_or_impossible(make_engine: Callable[..., Engine], precision: str) -> None:
    engine = make_engine(precision=precision)

    def written(*bias: tuple[int, float]) -> tuple[int, ...]:
        parameters = SamplingParameters(max_tokens=6, temperature=0, logit_bias=bias)
        result = engine.submit(Generate("generation", (2, 5), parameters)).future.result(timeout=60)
        assert isinstance(result, Generated)
        return tuple(result.ids)

    assert written((11, 100.0)) == (11,) * 6
    first = written((3, -100.0))[0]
    assert first not in written((3, -100.0), (first, -100.0))
    assert 0 not in written((0, 100.0))


@pytest.mark.parametrize(
    ("work", "result"),
    [
        (Likelihood("generation", TEXT, 2), Likelihoods((TokenScore(5, -1.5, ((4, -0.5), (5, -1.5))),))),
        (
            Generate("generation", TEXT, SamplingParameters(logit_bias=((4, -1.0), (5, 2.0)), num_logprobs=0)),
            Generated(array("i", [4]), "length", None, (TokenScore(4, -1.0),)),
        ),
    ],
)
def test_the_way_to_the_engine_s_process_and_back(work: Work, result: Likelihoods | Generated) -> None:
    received = received_work(msgpack.unpackb(msgpack.packb(work_values(Ticket(work)))))
    assert received.work == work
    assert received_result(work, msgpack.unpackb(msgpack.packb(result_values(result)))) == result
