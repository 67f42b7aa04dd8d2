"""Text that is scored as it grows gets the score that it would get at once."""

import random

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.model import RondoModel
from rondo_models.running import RunningClassifier
from rondo_models.training.sequences import padded

HEADS = {
    "running": ClassifierConfig(labels=("no", "yes"), reads="forward", hidden_size=8, ngram_buckets=64),
    "both": ClassifierConfig(labels=("no", "yes"), hidden_size=8),
}


@pytest.fixture
def model() -> RondoModel:
    torch.manual_seed(0)
    model = RondoModel(BackboneConfig(30, embedding_size=12, hidden_size=16), HEADS).eval().requires_grad_(False)
    weight = model.classifier("running").ngrams
    assert weight is not None
    torch.nn.init.normal_(weight.weight)
    return model


@pytest.mark.parametrize("seed", range(8))
def test_pieces_score_as_the_whole(model: RondoModel, seed: int) -> None:
    rng = random.Random(seed)
    running = RunningClassifier(model, "running")
    text, ids = running.nothing_read(), []
    for _ in range(6):
        piece = [rng.randrange(4, 30) for _ in range(rng.randrange(1, 5))]
        ids += piece
        text = running.from_bytes(running.read(text, tuple(piece)).to_bytes())
        whole = model.classifier("running")(model.backbone.encode(*padded([ids], 0))).softmax(dim=-1)[0]
        assert running.probabilities(text) == pytest.approx(whole.tolist(), abs=1e-5)


def test_what_is_kept_does_not_grow(model: RondoModel) -> None:
    running = RunningClassifier(model, "running")
    text = running.read(running.nothing_read(), (4, 5, 6))
    size = len(text.to_bytes())
    assert len(running.read(text, tuple(range(4, 30)) * 9).to_bytes()) == size


def test_a_head_that_reads_backward_is_refused(model: RondoModel) -> None:
    with pytest.raises(ValueError, match="reads both directions"):
        RunningClassifier(model, "both")


def test_a_state_of_another_size_is_refused(model: RondoModel) -> None:
    with pytest.raises(ValueError, match="another size"):
        RunningClassifier(model, "running").from_bytes(b"1234" * 8)
