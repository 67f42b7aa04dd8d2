"""Dropout of the recurrent matrices, in layers and in training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

from rondo_models.cells import Cell, RecurrentStack
from rondo_models.model import RondoModel
from rondo_models.training.tasks import LanguageModelTask
from rondo_models.training.trainer import Trainer, TrainingConfig
from rondo_models.training.weight_dropout import dropped_recurrent_weights, recurrent_layers

CONFIG = TrainingConfig(
    steps=6, warmup_steps=2, bfloat16=False, log_every=6, dev_every=6, checkpoint_every=2, micro_batches=1
)
RECURRENT: tuple[Cell, ...] = ("rnn", "lstm", "gru")


@pytest.mark.parametrize("cell", RECURRENT)
def test_entries_are_missing_from_state_to_state_alone(cell: Cell) -> None:
    torch.manual_seed(1)
    stack = RecurrentStack(cell, 6, 8, 2, 0.0)
    inputs = torch.randn(3, 5, 6)
    plain = stack(inputs)[0]
    weights = dict(stack.layers.named_parameters())
    with dropped_recurrent_weights(stack, 0.5):
        inside = dict(stack.layers._parameters)
        outputs, state = stack(inputs)
        step_state = stack.initial_state(3)
        steps = []
        for position in range(5):
            step, step_state = stack.step(inputs[:, position], step_state)
            steps.append(step)
    torch.testing.assert_close(torch.stack(steps, dim=1), outputs)  # the same entries at all steps
    torch.testing.assert_close(step_state.tensors[0], state.tensors[0])
    for name, value in inside.items():
        assert value is not None
        if name.startswith("weight_hh"):
            kept = value != 0
            assert 0.3 < kept.float().mean() < 0.7
            torch.testing.assert_close(value[kept], 2 * weights[name][kept])
        else:
            assert value is weights[name]
    # the first step has no state before it, so nothing is missing there
    torch.testing.assert_close(outputs[:, 0], plain[:, 0])
    assert not torch.allclose(outputs[:, 1:], plain[:, 1:])
    assert all(value is weights[name] for name, value in stack.layers.named_parameters())
    torch.testing.assert_close(stack(inputs)[0], plain)


def test_gradients_reach_what_was_not_missing() -> None:
    torch.manual_seed(1)
    stack = RecurrentStack("lstm", 6, 8, 1, 0.0)
    with dropped_recurrent_weights(stack, 0.5):
        dropped = stack.layers._parameters["weight_hh_l0"]
        loss = stack(torch.randn(3, 5, 6))[0].square().sum()
    loss.backward()
    weight = stack.layers.weight_hh_l0
    assert isinstance(weight, nn.Parameter)
    assert dropped is not None
    assert weight.grad is not None
    assert torch.equal(weight.grad != 0, dropped != 0)


@pytest.mark.parametrize("cell", RECURRENT)
def test_entries_are_missing_of_layer_normalised_layers_too(cell: Cell) -> None:
    torch.manual_seed(1)
    stack = RecurrentStack(cell, 6, 8, 2, 0.0, layer_norm=True)
    inputs = torch.randn(3, 5, 6)
    plain = stack(inputs)[0]
    weights = dict(stack.named_parameters())
    layers = recurrent_layers(stack)
    assert len(layers) == 2
    with dropped_recurrent_weights(stack, 0.5):
        dropped = [layer._parameters["weight_hh"] for layer in layers]
        outputs, _ = stack(inputs)
        outputs.square().sum().backward()
        with torch.no_grad():
            torch.testing.assert_close(stack(inputs)[0], outputs)  # the same entries at all steps, in either way
    torch.testing.assert_close(outputs[:, 0], plain[:, 0])
    assert not torch.allclose(outputs[:, 1:], plain[:, 1:])
    for layer, own in zip(layers, dropped, strict=True):
        weight = layer._parameters["weight_hh"]
        assert weight is not None
        assert own is not None
        assert weight.grad is not None
        assert 0.3 < (own != 0).float().mean() < 0.7
        assert (weight.grad[own == 0] == 0).all()
    assert all(value is weights[name] for name, value in stack.named_parameters())


def test_weights_are_whole_again_after_an_error() -> None:
    stack = RecurrentStack("gru", 6, 8, 1, 0.0)
    before = dict(stack.layers.named_parameters())
    with pytest.raises(RuntimeError), dropped_recurrent_weights(stack, 0.5):
        stack(torch.randn(3, 5, 7))
    assert all(value is before[name] for name, value in stack.layers.named_parameters())


def test_a_module_without_such_matrices_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="weight_dropout is for cells with a matrix from state to state"),
        dropped_recurrent_weights(nn.Linear(3, 3), 0.5),
    ):
        pass
    with dropped_recurrent_weights(nn.Linear(3, 3), 0.0):
        pass


def _train(model: RondoModel, share: float, folder: Path, stop_after: int | None = None) -> dict[str, torch.Tensor]:
    stream = numpy.random.default_rng(1).integers(4, 20, 200).astype(numpy.int32)
    task = LanguageModelTask("l", "generation", 40, stream, 8, 2, 0.5)

    def kill(step: int) -> None:
        if step == stop_after:
            raise KeyboardInterrupt

    config = replace(CONFIG, weight_dropout=share)
    return Trainer(model, [task], [1.0], [task], config, folder, "joint").run(kill).state_dict()


def test_training_with_it_resumes_exactly(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:
    whole = _train(make_model(), 0.5, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _train(make_model(), 0.5, tmp_path / "stopped", stop_after=4)
    resumed = _train(make_model(seed=9), 0.5, tmp_path / "stopped")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    plain = _train(make_model(), 0.0, tmp_path / "plain")
    assert not torch.equal(
        whole["backbone.forward_stack.layers.weight_hh_l0"], plain["backbone.forward_stack.layers.weight_hh_l0"]
    )


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weight_dropout must be in \[0, 1\), not 1"):
        replace(CONFIG, weight_dropout=1.0)
    with pytest.raises(ValueError, match="weight_dropout is of the backbone, which is frozen here"):
        replace(CONFIG, weight_dropout=0.1, freeze_backbone=True)
