"""The Transformer encoder: padding, order, length, and what it can't be asked."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.config import ConfigError, config_from
from rondo_models.executor import TorchExecutor
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.model import RondoModel
from rondo_models.training.sequences import padded
from rondo_models.transformer import TransformerEncoder, positions

SIZES: dict[str, Any] = {"encoder": "transformer", "encoder_layers": 2, "encoder_heads": 3, "feedforward_size": 20}


@pytest.fixture
def model(make_model: Callable[..., RondoModel]) -> RondoModel:
    return make_model("gru", **SIZES)


def test_a_sequence_is_encoded_alike_alone_and_among_longer_ones(model: RondoModel) -> None:
    sequences = [[4, 5, 6], [7], [8, 9, 10, 11, 12, 13, 14], [5, 4]]
    with torch.inference_mode():
        together = model.backbone.encode(*padded(sequences, 0))
        assert together.outputs.shape == (4, 7, model.backbone.config.encoded_size)
        assert together.outputs.isfinite().all()
        for row, sequence in enumerate(sequences):
            alone = model.backbone.encode(*padded([sequence], 0))
            torch.testing.assert_close(together.outputs[row, : len(sequence)], alone.outputs[0], atol=1e-5, rtol=1e-5)


def test_every_position_sees_the_whole_text_in_its_order(model: RondoModel) -> None:
    with torch.inference_mode():
        first, last_changed, swapped = (
            model.backbone.encode(*padded([ids], 0)).outputs[0] for ids in ([4, 5, 6], [4, 5, 7], [5, 4, 6])
        )
    assert not torch.allclose(first[0], last_changed[0])
    assert not torch.allclose(first[2], swapped[2])


def test_positions_are_told_apart_at_any_distance() -> None:
    waves = positions(5000, 12, torch.empty(0))
    assert torch.pdist(waves[::50]).min() > 1e-3
    assert waves[3, :2].tolist() == pytest.approx([math.sin(3), math.cos(3)])
    assert positions(4, 7, torch.empty(0, dtype=torch.bfloat16)).shape == (4, 7)


def test_training_and_use_compute_the_same() -> None:
    """In use the library takes a way of its own, which fuses a layer."""
    torch.manual_seed(0)
    encoder = TransformerEncoder(12, 2, 3, 20, 0.0)
    inputs, mask = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    in_training = encoder.train()(inputs, mask)
    with torch.inference_mode():
        in_use = encoder.eval()(inputs, mask)
    torch.testing.assert_close(in_use[mask], in_training[mask], atol=1e-5, rtol=1e-5)


def test_layers_begin_unlike() -> None:
    encoder = TransformerEncoder(12, 2, 3, 20, 0.0)
    first, second = (layer.state_dict()["linear1.weight"] for layer in encoder.layers.layers)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("rough", [True, False])
def test_reading_in_bfloat16_is_nearly_reading_in_float32(model: RondoModel, rough: bool) -> None:
    ids, lengths = padded([[4, 5, 6, 7], [8, 9]], 0)
    with torch.inference_mode():
        exact = TorchExecutor(model, []).encode(ids, lengths, rough=False).outputs
        found = TorchExecutor(model, [], "mixed").encode(ids, lengths, rough=rough).outputs
    assert found.dtype == torch.float32
    tolerance = 0.1 if rough else 1e-6
    torch.testing.assert_close(found[0], exact[0], atol=tolerance, rtol=tolerance)


def test_what_it_cannot_do_is_refused_in_words(model: RondoModel) -> None:
    ids, lengths = padded([[4, 5]], 0)
    state = model.backbone.stack("forward").initial_state(1)
    with pytest.raises(TypeError, match="a Transformer encoder has no backward stack"):
        TorchExecutor(model, []).read_part("backward", ids, lengths, state, rough=False)
    with pytest.raises(TypeError, match="no backward stack"):
        model.backbone.read_backward(ids, lengths)
    assert not model.backbone.reads_in_parts
    heads = {"running": ClassifierConfig(("no", "yes"), reads="forward")}
    with pytest.raises(ConfigError, match=r"heads\.running: reads = 'forward' needs a recurrent encoder"):
        RondoModel(model.backbone.config, heads)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": "transformer"}, "encoder_layers, encoder_heads, feedforward_size of at least 1"),
        ({**SIZES, "encoder_heads": 5}, "embedding_size 12 is no multiple of 5 heads"),
        ({**SIZES, "feedforward_size": -1}, "feedforward_size of at least 1"),
        ({"encoder_layers": 2}, "encoder_layers: only with encoder = 'transformer'"),
        ({"encoder": "convolution"}, "unknown encoder 'convolution'; choose one of recurrent, transformer"),
    ],
)
def test_impossible_encoders_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from(BackboneConfig, {"vocabulary_size": 20, "embedding_size": 12, **values}, "backbone")
