"""Over any backbone the engine answers as the plain loops do, whether it reads a text in parts or as a whole."""

import random
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.cells import CELLS
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.prompts import nothing_read
from rondo_models.decoding.search import decode_batch, generate
from rondo_models.executor import TorchExecutor
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, RondoModel
from rondo_models.training.sequences import padded
from rondo_services.engine.engine import Engine
from rondo_services.engine.requests import Classify, Generate, Search, Work
from rondo_services.engine.scheduler import Limits

END = 3
FORBIDDEN = (0, 1, 2)
TRANSFORMER = {"encoder": "transformer", "encoder_layers": 1, "encoder_heads": 2, "feedforward_size": 16}
BACKBONES: dict[str, dict[str, Any]] = {
    **{cell: {"cell": cell} for cell in CELLS},
    **{f"{cell}-normalized": {"cell": cell, "layer_norm": True} for cell in ("lstm", "sru")},
    "transformer": TRANSFORMER,
}


@pytest.fixture(params=BACKBONES)
def model(request: pytest.FixtureRequest) -> RondoModel:
    torch.manual_seed(0)
    size = BackboneConfig(30, embedding_size=12, hidden_size=16, num_layers=2, **BACKBONES[request.param])
    heads: dict[str, HeadConfig] = {
        "sentiment": ClassifierConfig(labels=("no", "yes"), hidden_size=8),
        "generation": LanguageModelConfig(top_layer=True),
        "translation": Seq2SeqConfig(hidden_size=16),
    }
    return RondoModel(size, heads).eval().requires_grad_(False)


def _works() -> list[Work]:
    rng, works = random.Random(1), list[Work]()
    for number in range(36):
        ids = tuple(rng.randrange(4, 30) for _ in range(rng.randrange(1, 40)))
        if number % 3 == 0:
            works.append(Classify("sentiment", (*ids, END)))
        elif number % 3 == 1:
            works.append(Generate("generation", (2, *ids), SamplingParameters(max_tokens=9, seed=number)))
        else:
            works.append(Search("translation", (*ids, END), 2, BeamParameters(beam_size=2, max_tokens=9)))
    return works


@torch.inference_mode()
def _alone(model: RondoModel, work: Work) -> object:
    executor = TorchExecutor(model, FORBIDDEN)
    if isinstance(work, Generate):
        return list(
            generate(executor, work.head, work.ids, nothing_read(model, work.head, 1), work.parameters, END).ids
        )
    encoded = model.backbone.encode(*padded([work.ids], 0))
    if isinstance(work, Classify):
        return pytest.approx(model.classifier(work.head)(encoded).softmax(dim=-1)[0].tolist(), abs=1e-5)
    assert isinstance(work, Search)
    return [own.ids for own in decode_batch(executor, work.head, encoded, [2], work.parameters, END)[0]]


def test_answers_are_those_of_each_request_alone(model: RondoModel) -> None:
    limits = Limits(chunk_tokens=16, tokens_per_cut=80)  # so that many a prompt and text is read in parts
    engine = Engine(model, end_id=END, forbidden=FORBIDDEN, precision="float32", limits=limits)
    try:
        tickets = engine.submit_all(works := _works())
        for work, ticket in zip(works, tickets, strict=True):
            result: Any = ticket.future.result(timeout=60)
            if isinstance(work, Generate):
                result = list(result.ids)
            elif isinstance(work, Search):
                result = [own.ids for own in result]
            assert result == _alone(model, work)
    finally:
        engine.close()
