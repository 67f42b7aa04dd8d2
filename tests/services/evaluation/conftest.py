"""A tiny language model, the shipped vocabulary, and a writer of compressed data files."""

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.model import RondoModel
from rondo_tokenizers.vocabulary import Tokenizer

SHIPPED = Path(__file__).parents[3] / "bundles" / "rondo-base" / "tokenizer.model"


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(SHIPPED)


@pytest.fixture
def make_language_model() -> Callable[[int], RondoModel]:
    """A random language model over so many ids, with a head called "generation"."""

    def make(vocabulary_size: int) -> RondoModel:
        torch.manual_seed(0)
        backbone = BackboneConfig(vocabulary_size, embedding_size=6, hidden_size=8)
        return RondoModel(backbone, {"generation": LanguageModelConfig(top_layer=True)}).eval()

    return make


@pytest.fixture
def write_xz(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text, compressed, to a path below `tmp_path`."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=0))
        return path

    return write
