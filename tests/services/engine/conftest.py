"""A random tiny model of all kinds of heads, and an engine over it."""

from collections.abc import Callable, Iterator

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, RondoModel
from rondo_services.engine.engine import Engine

END = 3
FORBIDDEN = (0, 1, 2)


@pytest.fixture(scope="session")
def tiny_model() -> RondoModel:
    """Ids 0 pad, 1 unknown, 2 start, 3 end, 4… symbols."""
    torch.manual_seed(0)
    heads: dict[str, HeadConfig] = {
        "sentiment": ClassifierConfig(labels=("no", "yes"), hidden_size=8, ngram_buckets=64),
        "generation": LanguageModelConfig(top_layer=True),
        "translation": Seq2SeqConfig(hidden_size=16),
        "summarization": Seq2SeqConfig(hidden_size=12, input_feeding=True, coverage=True, copy=True),
    }
    return RondoModel(BackboneConfig(30, embedding_size=12, hidden_size=16), heads).eval().requires_grad_(False)


@pytest.fixture
def make_engine(tiny_model: RondoModel) -> Iterator[Callable[..., Engine]]:
    """Engines that are closed at the end of the test; in float32, the reference, unless told otherwise."""
    engines = []

    def make(**settings: object) -> Engine:
        engine = Engine(tiny_model, end_id=END, forbidden=FORBIDDEN, **{"precision": "float32", **settings})  # type: ignore[arg-type]
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()
