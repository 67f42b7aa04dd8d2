import math
from collections.abc import Callable

import pytest
import torch

from rondo_models.model import RondoModel
from rondo_services.evaluation.perplexity import perplexity, token_nats

START = 2
MakeModel = Callable[[int], RondoModel]


def _one_by_one(model: RondoModel, ids: list[int]) -> list[float]:
    """The slow, obvious version: one token at a time, the state carried along."""
    head = model.language_model("generation")
    state, top = model.backbone.forward_stack.initial_state(1), head.initial_state(1)
    nats, previous = [], START
    with torch.inference_mode():
        for identifier in ids:
            lower, state = model.backbone.advance(torch.tensor([[previous]]), state)
            hidden, top = head.read(lower, top)
            log_probabilities = head.logits(model.backbone, hidden[0]).log_softmax(dim=-1)
            nats.append(-float(log_probabilities[0, identifier]))
            previous = identifier
    return nats


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 600])
def test_chunks_read_as_one_stream(make_language_model: MakeModel, length: int) -> None:
    model = make_language_model(11)
    ids = [(7 * position + position // 5) % 11 for position in range(length)]
    nats = token_nats(model, "generation", ids, START)
    assert nats.tolist() == pytest.approx(_one_by_one(model, ids), rel=1e-4)


def test_an_empty_stream_has_no_tokens(make_language_model: MakeModel) -> None:
    assert token_nats(make_language_model(11), "generation", [], START).shape == (0,)


def test_the_order_of_the_stream_counts(make_language_model: MakeModel) -> None:
    model = make_language_model(11)
    ids = [3, 4, 5, 6, 7, 8, 9]
    forward = float(token_nats(model, "generation", ids, START).sum())
    backward = float(token_nats(model, "generation", ids[::-1], START).sum())
    assert forward != pytest.approx(backward, rel=1e-4)


def test_a_uniform_model_is_as_perplexed_as_it_has_words(make_language_model: MakeModel) -> None:
    model = make_language_model(11)
    with torch.no_grad():
        model.backbone.embedding.weight.zero_()
    nats = token_nats(model, "generation", [5] * 300, START)
    assert perplexity(float(nats.sum()), 300) == pytest.approx(11, rel=1e-5)


def test_perplexity_of_fewer_words_than_tokens() -> None:
    assert perplexity(4 * math.log(3), 2) == pytest.approx(9)
    assert perplexity(0.0, 5) == 1


def test_a_perplexity_beyond_all_floats_is_infinite() -> None:
    assert perplexity(1e6, 1) == math.inf
