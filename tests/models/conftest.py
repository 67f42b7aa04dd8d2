"""Tiny models: ids 0 pad, 1 unknown, 2 start, 3 end, 4… symbols."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.cells import CELLS, Cell
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, RondoModel

HEADS: dict[str, HeadConfig] = {
    "sentiment": ClassifierConfig(labels=("no", "yes"), hidden_size=8, ngram_buckets=64),
    "generation": LanguageModelConfig(top_layer=True),
    "translation": Seq2SeqConfig(hidden_size=16),
    "summarization": Seq2SeqConfig(hidden_size=12, attention="additive", input_feeding=True, coverage=True, copy=True),
}


@pytest.fixture
def make_model() -> Callable[..., RondoModel]:
    """A random tiny model in evaluation mode."""

    def make(cell: Cell = "lstm", layers: int = 1, seed: int = 0, **changes: Any) -> RondoModel:
        torch.manual_seed(seed)
        backbone = BackboneConfig(20, cell, embedding_size=12, hidden_size=16, num_layers=layers, **changes)
        return RondoModel(backbone, HEADS).eval()

    return make


TRANSFORMER: dict[str, Any] = {
    "encoder": "transformer",
    "encoder_layers": 2,
    "encoder_heads": 3,
    "feedforward_size": 20,
}


NORMALIZED: dict[str, Any] = {"layer_norm": True}


@pytest.fixture(
    params=[
        *((cell, {}) for cell in CELLS),
        *((cell, NORMALIZED) for cell in CELLS),
        ("sru", TRANSFORMER),
        ("lstm", {**TRANSFORMER, **NORMALIZED}),
    ],
    ids=[*CELLS, *(f"{cell}-normalized" for cell in CELLS), "transformer", "transformer-normalized"],
)
def any_model(request: pytest.FixtureRequest, make_model: Callable[..., RondoModel]) -> RondoModel:
    """Of two layers: of each cell one with layer normalisation and one without, and two with a Transformer encoder."""
    cell, changes = request.param
    return make_model(cell, 2, **changes)


@pytest.fixture
def model(make_model: Callable[..., RondoModel]) -> RondoModel:
    """The LSTM one."""
    return make_model()
