"""Encoding is independent of padding and neighbours, and the backbone exists once."""

from collections.abc import Callable

import pytest
import torch

from rondo_models.backbone import BackboneConfig, length_mask, reversal_index
from rondo_models.cells import CELLS, Cell
from rondo_models.model import RondoModel
from rondo_models.training.sequences import padded


def test_reversal_stays_within_each_length() -> None:
    index = reversal_index(torch.tensor([3, 1]), 4)
    assert index.tolist() == [[2, 1, 0, 3], [0, 1, 2, 3]]
    assert length_mask(torch.tensor([3, 1]), 4).tolist() == [[True, True, True, False], [True] + [False] * 3]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_sequence_is_encoded_alike_alone_and_among_longer_ones(
    make_model: Callable[..., RondoModel], cell: Cell, layers: int, layer_norm: bool
) -> None:
    backbone = make_model(cell, layers, layer_norm=layer_norm).backbone
    sequences = [[4, 5, 6], [7], [8, 9, 10, 11, 12, 13, 14], [5, 4]]
    with torch.inference_mode():
        together = backbone.encode(*padded(sequences, 0))
        for row, sequence in enumerate(sequences):
            alone = backbone.encode(*padded([sequence], 0))
            torch.testing.assert_close(together.outputs[row, : len(sequence)], alone.outputs[0], atol=1e-5, rtol=1e-5)


def test_the_backward_half_reads_from_the_end(model: RondoModel) -> None:
    size = model.backbone.config.hidden_size
    with torch.inference_mode():
        first = model.backbone.encode(*padded([[4, 5, 6]], 0)).outputs[0]
        second = model.backbone.encode(*padded([[4, 5, 7]], 0)).outputs[0]
    torch.testing.assert_close(first[0, :size], second[0, :size])
    assert not torch.allclose(first[0, size:], second[0, size:])


def test_all_heads_use_one_backbone_in_memory(model: RondoModel) -> None:
    """Weights shared by services exist once: no head owns or copies the embedding or a stack."""
    shared = {p.untyped_storage().data_ptr() for p in model.backbone.parameters()}
    everywhere = [p for p in model.parameters() if p.untyped_storage().data_ptr() in shared]
    assert len(everywhere) == len(list(model.backbone.parameters()))
    embedding = model.backbone.embedding.weight
    for name in model.heads:
        shapes = [tuple(p.shape) for p in model.head(name).parameters()]
        assert tuple(embedding.shape) not in shapes
    with torch.inference_mode():
        hidden = torch.randn(1, 16)
        old = model.language_model("generation").logits(model.backbone, hidden)
        embedding.mul_(2)
        new = model.language_model("generation").logits(model.backbone, hidden)
    assert not torch.allclose(old, new)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"hidden_size": 0}, "hidden_size"), ({"dropout": 1.0}, "dropout"), ({"cell": "qrnn"}, "unknown cell")],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BackboneConfig(**{"vocabulary_size": 10, **changes})  # type: ignore[arg-type]
