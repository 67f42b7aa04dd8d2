from collections.abc import Callable

import pytest
import torch

from rondo_models.model import RondoModel
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.adaptation import adaptation_of, told
from rondo_services.evaluation.dynamic_evaluation import DynamicEvaluation, dynamic_token_nats
from rondo_services.evaluation.neural_cache import NeuralCache, cached_token_nats
from rondo_services.evaluation.perplexity import token_nats

START = 2
VOCABULARY = 11
TRAIN = [(5 * position + position // 3) % VOCABULARY for position in range(200)]
IDS = [(7 * position + position // 5) % VOCABULARY for position in range(120)]
MakeModel = Callable[[int], RondoModel]


def _nats(model: RondoModel, ids: list[int], **settings: float) -> list[float]:
    how = DynamicEvaluation.model_validate({"segment": 8, "num_statistics": 10, **settings})
    nats: list[float] = dynamic_token_nats(model, "generation", ids, START, how, TRAIN).tolist()
    return nats


@pytest.mark.parametrize("length", [1, 7, 8, 9, 120])
def test_without_learning_it_is_static(make_language_model: MakeModel, length: int) -> None:
    model = make_language_model(VOCABULARY)
    plain = token_nats(model, "generation", IDS[:length], START)
    assert _nats(model, IDS[:length], rate=0) == pytest.approx(plain.tolist(), rel=1e-4)


def test_a_segment_is_measured_before_it_is_learned_from(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY)
    plain = token_nats(model, "generation", IDS, START).tolist()
    learned = _nats(model, IDS, rate=0.01)
    assert learned[:8] == pytest.approx(plain[:8], rel=1e-4)
    assert learned[8:16] != pytest.approx(plain[8:16], rel=1e-4)
    changed = [*IDS[:20], *IDS[21:], 3]  # what comes later can't change what was measured
    assert _nats(model, changed, rate=0.01)[:20] == learned[:20]


def test_what_comes_again_gets_cheaper(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY)
    text = [3, 9, 4, 4, 8, 5, 7, 6] * 40
    nats = _nats(model, text, rate=0.01)
    assert sum(nats[-80:]) < 0.5 * sum(nats[:80])


def test_the_model_stays_as_it_is(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY).requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = _nats(model, IDS, rate=0.05)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(weight.requires_grad for weight in model.parameters())
    assert _nats(model, IDS, rate=0.05) == first


def test_weights_are_drawn_back(make_language_model: MakeModel) -> None:
    """Where they go all the way back after each segment, only the last step counts, and little is learned."""
    model = make_language_model(VOCABULARY)
    text = [3, 9, 4, 4, 8, 5, 7, 6] * 40
    free, drawn = (sum(_nats(model, text, rate=0.01, decay=own)[-80:]) for own in (0.0, 0.2))
    plain = float(token_nats(model, "generation", text, START)[-80:].sum())
    assert free < drawn < plain


def test_steps_are_measured_by_the_usual_gradients(make_language_model: MakeModel) -> None:
    """With an output bias that hardly ever matters in training text, its steps are larger."""
    model = make_language_model(VOCABULARY)
    assert _nats(model, IDS, rate=0.01, floor=0.0) != pytest.approx(_nats(model, IDS, rate=0.01, floor=10.0), rel=1e-3)


def test_without_training_text_nothing_is_known_of_gradients(make_language_model: MakeModel) -> None:
    with pytest.raises(ValueError, match="there is no training text"):
        dynamic_token_nats(make_language_model(VOCABULARY), "generation", IDS, START, DynamicEvaluation(), [])


def test_an_empty_stream_has_no_tokens(make_language_model: MakeModel) -> None:
    assert _nats(make_language_model(VOCABULARY), []) == []


def test_without_learning_a_cache_beside_is_that_cache(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY)
    cache = NeuralCache(size=30, weight=0.4, sharpness=0.2)
    alone = cached_token_nats(model, "generation", IDS, START, cache)
    beside = _nats(model, IDS, rate=0, cache_size=30, cache_weight=0.4, cache_sharpness=0.2)
    assert beside == pytest.approx(alone.tolist(), rel=1e-4)


def test_a_cache_beside_changes_nothing_of_what_is_learned(make_language_model: MakeModel) -> None:
    model = make_language_model(VOCABULARY)
    learned = _nats(model, IDS, rate=0.01)
    assert _nats(model, IDS, rate=0.01, cache_size=30, cache_weight=0.0) == pytest.approx(learned, rel=1e-6)
    mixed = _nats(model, IDS, rate=0.01, cache_size=30, cache_weight=0.4)
    assert mixed[0] == pytest.approx(learned[0], rel=1e-6)  # nothing was read before
    assert mixed[8:] != pytest.approx(learned[8:], rel=1e-3)


@pytest.mark.parametrize("unused", [{"cache_weight": 0.2}, {"cache_sharpness": 0.2}])
def test_settings_of_a_cache_need_a_cache(unused: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=rf"dynamic: .*{next(iter(unused))}: of a cache, which needs a cache_size"):
        adaptation_of("dynamic", unused)


def test_a_signature_tells_of_a_cache_that_is_there() -> None:
    assert not any(name.startswith("cache") for name in told(adaptation_of("dynamic", {})))
    assert told(adaptation_of("dynamic", {"cache_size": 7}))["cache_size"] == 7
