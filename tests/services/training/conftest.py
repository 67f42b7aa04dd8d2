"""The shipped vocabulary, a small recipe as plain values, and a writer of compressed data files."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.services.training.words import WORDS

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
def recipe_values(values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The same with a classifier alone, and reviews to learn it from."""
    path = tmp_path / "reviews.jsonl"
    rows = [
        {"text": f"the {first} and the {second}", "label": "good" if "a" in first else "bad"}
        for first in WORDS
        for second in WORDS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        **values,
        "vocabulary_size": 290,
        "languages": ["en"],
        "heads": {"sentiment": values["heads"]["sentiment"]},
        "data": [{"set": str(path), "head": "sentiment"}],
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
