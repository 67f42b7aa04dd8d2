import math
from collections.abc import Callable

import pytest
import torch

from rondo_models.model import RondoModel
from rondo_services.evaluation.neural_cache import NeuralCache, cache_likelihood, cache_shares, cached_token_nats
from rondo_services.evaluation.perplexity import token_nats

START = 2
VOCABULARY = 11
MakeModel = Callable[[int], RondoModel]


def _one_by_one(model: RondoModel, ids: list[int], cache: NeuralCache) -> list[float]:
    """The slow, obvious version: the paper's sum over the past, position by position, for the whole vocabulary."""
    head = model.language_model("generation")
    state, top = model.backbone.forward_stack.initial_state(1), head.initial_state(1)
    nats, previous = [], START
    past: list[tuple[torch.Tensor, int]] = []
    with torch.inference_mode():
        for identifier in ids:
            lower, state = model.backbone.advance(torch.tensor([[previous]]), state)
            hidden, top = head.read(lower, top)
            features = head.features(hidden[0, 0])
            probabilities = head.logits(model.backbone, hidden[0])[0].softmax(dim=0)
            cached = torch.zeros(VOCABULARY)
            for other, follower in past[-cache.size :]:
                cached[follower] += math.exp(cache.sharpness * float(features @ other))
            if past:
                probabilities = (1 - cache.weight) * probabilities + cache.weight * cached / cached.sum()
            assert float(probabilities.sum()) == pytest.approx(1, abs=1e-5)
            nats.append(-math.log(float(probabilities[identifier])))
            past.append((features, identifier))
            previous = identifier
    return nats


@pytest.mark.parametrize("length", [1, 2, 30, 300, 600])
@pytest.mark.parametrize("size", [1, 7, 400])
def test_chunks_read_as_one_stream(make_language_model: MakeModel, length: int, size: int) -> None:
    model, cache = make_language_model(VOCABULARY), NeuralCache(size=size, weight=0.3, sharpness=0.7)
    ids = [(7 * position + position // 5) % VOCABULARY for position in range(length)]
    nats = cached_token_nats(model, "generation", ids, START, cache)
    assert nats.tolist() == pytest.approx(_one_by_one(model, ids, cache), rel=1e-4)


def test_the_cache_is_a_distribution_over_the_vocabulary() -> None:
    torch.manual_seed(1)
    keys, followers = torch.randn(50, 6), torch.randint(VOCABULARY, (50,))
    shares = cache_shares(keys[-20:], keys, NeuralCache(size=15, sharpness=0.5))
    sums = sum(cache_likelihood(shares, followers, torch.full((20,), token)) for token in range(VOCABULARY))
    assert torch.as_tensor(sums).tolist() == pytest.approx([1.0] * 20)


def test_a_row_sees_as_many_positions_before_its_own_as_the_cache_holds() -> None:
    keys = torch.randn(9, 4)
    shares = cache_shares(keys, keys, NeuralCache(size=3))
    seen = [row.nonzero()[:, 0].tolist() for row in shares]
    assert seen == [[], [0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7]]


def test_the_sharper_the_more_the_likest_position_counts() -> None:
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
    flat, sharp = (cache_shares(keys[-1:], keys, NeuralCache(sharpness=own))[0] for own in (0.0, 5.0))
    assert flat.tolist() == pytest.approx([0.5, 0.5, 0])
    assert sharp[0] > 0.98


def test_a_weight_of_zero_changes_nothing(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY)
    ids = [(3 * position) % VOCABULARY for position in range(300)]
    plain = token_nats(model, "generation", ids, START)
    assert cached_token_nats(model, "generation", ids, START, NeuralCache(weight=0)).tolist() == pytest.approx(
        plain.tolist(), rel=1e-5
    )


def test_what_comes_again_gets_cheaper(make_language_model: MakeModel) -> None:
    torch.manual_seed(3)
    model = make_language_model(200)
    text = torch.randint(5, 200, (60,)).tolist()
    nats = cached_token_nats(model, "generation", text * 2, START, NeuralCache(weight=0.2, sharpness=1.0))
    plain = token_nats(model, "generation", text * 2, START)
    assert float(nats[60:].sum()) < float(plain[60:].sum()) - 15
    assert float(nats[60:].sum()) < float(nats[:60].sum()) - 15


def test_an_empty_stream_has_no_tokens(make_language_model: MakeModel) -> None:
    assert cached_token_nats(make_language_model(VOCABULARY), "generation", [], START, NeuralCache()).shape == (0,)
