"""Reranking by the model that translates back."""

from collections.abc import Callable

import pytest
import torch

from rondo_models.decoding.channel import log_likelihoods, reranked
from rondo_models.decoding.lanes import Lane, RowsState
from rondo_models.decoding.parameters import Hypothesis
from rondo_models.executor import TorchExecutor
from rondo_models.model import RondoModel
from rondo_models.training.sequences import padded

START, END = 2, 3
SOURCES = [[4, 5, 6, END], [7, END], [8, 9, 10, 11, 12, END]]
TARGETS = [[13, END], [14, 15, 16, END], [17, END]]


def _step_by_step(model: RondoModel, source: list[int], target: list[int]) -> float:
    executor = TorchExecutor(model, [])
    state: RowsState = executor.begin("translation", model.backbone.encode(*padded([source], 0)))
    total = 0.0
    for before, identifier in zip([START, *target[:-1]], target, strict=True):
        (stepped,) = executor.step([Lane("translation", torch.tensor([before]), state)])
        total += float(stepped.scores.table([0])[0, identifier])
        state = stepped.state
    return total


@torch.inference_mode()
def test_a_batch_scores_as_each_does_step_by_step(make_model: Callable[..., RondoModel]) -> None:
    model = make_model()
    expected = [_step_by_step(model, source, target) for source, target in zip(SOURCES, TARGETS, strict=True)]
    assert log_likelihoods(model, "translation", SOURCES, TARGETS, START) == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_the_weight_decides_whose_order_it_is(make_model: Callable[..., RondoModel]) -> None:
    model = make_model()
    hypotheses = [Hypothesis(tuple(source[:-1]), -float(n), -1.0, "stop") for n, source in enumerate(SOURCES)]
    back = log_likelihoods(model, "translation", SOURCES, [TARGETS[1]] * 3, START)

    def order(weight: float) -> list[int]:
        chosen = reranked(hypotheses, back, len(TARGETS[1]), weight)
        return [hypotheses.index(hypothesis) for hypothesis in chosen]

    assert order(0.0) == [0, 1, 2]
    assert order(1e6) == sorted(range(3), key=lambda n: -back[n])


def test_a_head_that_copies_is_refused(make_model: Callable[..., RondoModel]) -> None:
    model = make_model()
    copying = next(name for name in model.heads if getattr(model.head(name).config, "copy", False))
    with pytest.raises(ValueError, match="copies"):
        log_likelihoods(model, copying, SOURCES, TARGETS, START)
