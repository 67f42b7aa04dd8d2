"""Saliencies add up, belong to their tokens, and do not depend on the parts in which they are worked out."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from rondo_models import saliency as saliency_module
from rondo_models.backbone import BackboneConfig
from rondo_models.cells import CELLS, Cell
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.model import HeadConfig, RondoModel
from rondo_models.saliency import SaliencyWork, saliency
from rondo_models.training.sequences import padded

END = 3
IDS = (7, 4, 9, 9, 12, END)
TRANSFORMER: dict[str, Any] = {"encoder": "transformer", "encoder_layers": 2, "encoder_heads": 2, "feedforward_size": 9}
NORMALIZED: dict[str, Any] = {"layer_norm": True}


def _model(
    cell: Cell = "lstm",
    labels: Sequence[str] = ("no", "yes"),
    ngram_buckets: int = 64,
    once: bool = False,
    **changes: Any,
) -> RondoModel:
    torch.manual_seed(0)
    mood = ClassifierConfig(labels=tuple(labels), hidden_size=8, ngram_buckets=ngram_buckets, each_ngram_once=once)
    heads: dict[str, HeadConfig] = {
        "mood": mood,
        "generation": LanguageModelConfig(),
    }
    model = RondoModel(BackboneConfig(20, cell, embedding_size=6, hidden_size=8, num_layers=2, **changes), heads)
    ngrams = model.classifier("mood").ngrams
    if ngrams is not None:
        torch.nn.init.normal_(ngrams.weight)
    return model.eval().requires_grad_(False)


def _logits(model: RondoModel, ids: Sequence[int]) -> torch.Tensor:
    logits: torch.Tensor = model.classifier("mood")(model.backbone.encode(*padded([ids], 0)))
    return logits[0]


def _margin(logits: torch.Tensor, label: int) -> float:
    values: list[float] = logits.tolist()
    own = values.pop(label)
    return own - sum(values) / len(values)


@pytest.mark.parametrize(
    ("cell", "changes"), [*((cell, {}) for cell in CELLS), ("lstm", TRANSFORMER), ("lstm", NORMALIZED)]
)
@pytest.mark.parametrize("labels", [("no", "yes"), ("no", "so so", "yes")])
@pytest.mark.parametrize("once", [False, True])
def test_saliencies_add_up_to_the_difference_from_the_baseline(
    cell: Cell, changes: dict[str, Any], labels: tuple[str, ...], once: bool
) -> None:
    model = _model(cell, labels, once=once, **changes)
    found = saliency(model, "mood", IDS)
    logits = _logits(model, IDS)
    assert found.probabilities == pytest.approx(logits.softmax(dim=-1).tolist(), abs=1e-5)
    blank = (*(0 for _ in IDS[:-1]), END)
    ngram_sum, num_ngrams = model.classifier("mood").ngram_sums(*padded([blank], 0))
    of_baseline = _logits(model, blank) - (ngram_sum / num_ngrams.sqrt())[0]
    label = int(logits.argmax())
    assert sum(found.tokens) == pytest.approx(_margin(logits, label) - _margin(of_baseline, label), abs=1e-4)


def test_each_token_has_its_own_integral() -> None:
    """Against gradients by differences, at many points of the line, one token at a time."""
    model = _model(ngram_buckets=0)
    backbone, head = model.backbone, model.classifier("mood")
    text = backbone.embed(torch.tensor([IDS])).double()
    blank = backbone.embed(torch.tensor([[0] * (len(IDS) - 1) + [END]])).double()
    model.double()

    def margin(inputs: torch.Tensor, label: int) -> float:
        outputs = [backbone.forward_stack(inputs)[0], backbone.backward_stack(inputs.flip(1))[0].flip(1)]
        encoded = backbone.encode(torch.tensor([IDS]), torch.tensor([len(IDS)]))
        encoded = type(encoded)(encoded.ids, encoded.lengths, torch.cat(outputs, dim=-1), encoded.mask)
        return _margin(head(encoded)[0], label)

    label = int(_logits(model, IDS).argmax())
    expected, points, small = [0.0] * len(IDS), 100, 1e-4
    for point in range(points):
        inputs = blank + (point + 0.5) / points * (text - blank)
        for token in range(len(IDS)):
            step = torch.zeros_like(inputs)
            step[0, token] = small * (text - blank)[0, token]
            expected[token] += (margin(inputs + step, label) - margin(inputs - step, label)) / (2 * small * points)
    model.float()
    assert saliency(model, "mood", IDS, num_intervals=100).tokens == pytest.approx(expected, abs=2e-3)


def test_the_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    ids = (*(4 + number % 13 for number in range(50)), END)
    whole = saliency(model, "mood", ids)
    monkeypatch.setattr(saliency_module, "_TOKENS_IN_PART", 7)
    monkeypatch.setattr(saliency_module, "_TOKENS_AT_ONCE", 130)
    work, num_parts = SaliencyWork(model, "mood", ids, 32), 0
    with torch.inference_mode():
        while work.result is None:
            work.advance()
            num_parts += 1
            assert torch.is_inference_mode_enabled()
    assert num_parts > 100
    assert work.result.tokens == pytest.approx(whole.tokens, abs=1e-4)


@pytest.mark.parametrize("ids", [(END,), (5, END)])
def test_a_text_of_hardly_anything_has_finite_saliencies(ids: tuple[int, ...]) -> None:
    found = saliency(_model(ngram_buckets=0), "mood", ids)
    assert len(found.tokens) == len(ids)
    assert found.tokens[-1] == 0
    assert all(value == value for value in found.tokens)


def test_only_classifiers_can_be_explained() -> None:
    with pytest.raises(TypeError, match="language_model"):
        saliency(_model(), "generation", IDS)
