"""The shipped vocabulary, a small recipe as plain values, and a writer of compressed data files."""

import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_tokenizers.vocabulary import Tokenizer

SHIPPED = Path(__file__).parents[3] / "bundles" / "rondo-base" / "tokenizer.model"


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(SHIPPED)


@pytest.fixture
def values() -> dict[str, Any]:
    """A recipe with one head of each kind; its data are to be filled in."""
    return {
        "name": "tiny",
        "vocabulary_size": 400,
        "budget": 200,
        "longest": 24,
        "window": 8,
        "backbone": {"embedding_size": 6, "hidden_size": 8},
        "heads": {
            "sentiment": {
                "kind": "classifier",
                "labels": ["bad", "good"],
                "hidden_size": 4,
                "ngram_buckets": 16,
            },
            "generation": {"kind": "language_model"},
            "translation": {"kind": "seq2seq", "hidden_size": 8},
            "summarization": {"kind": "seq2seq", "hidden_size": 8, "copy": True},
        },
        "data": [],
        "training": {"steps": 2, "warmup_steps": 1, "micro_batches": 1, "log_every": 1},
    }


@pytest.fixture
def write_xz(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text, compressed, to a path below `tmp_path`."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=0))
        return path

    return write
