"""Layer-normalised layers: the equations and their gradients, precision, noise between layers."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from rondo_models.normalized import NormalizedLayers
from rondo_models.normalized_lstm import normalized_lstm

CELLS = ("rnn", "lstm", "gru")
SIZE = 4


def _layers(cell: str, num_layers: int = 2, dropout: float = 0.0) -> NormalizedLayers:
    """With gains and biases that are not those of the start."""
    torch.manual_seed(0)
    layers = NormalizedLayers(cell, 3, SIZE, num_layers, dropout).double()
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return layers


def _state(cell: str, rows: int, num_layers: int = 2) -> tuple[Tensor, ...]:
    num_tensors = 2 if cell == "lstm" else 1
    return tuple(torch.randn(num_layers, rows, SIZE).double().requires_grad_() for _ in range(num_tensors))


def _norm(values: Tensor, gain: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    centred = values - values.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt() * gain + bias


def _step(cell: str, own: Mapping[str, Tensor], x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One step as the paper has it."""
    h = state[0]
    by_x, by_h = x @ own["weight_ih"].T, h @ own["weight_hh"].T
    if cell == "rnn":
        return (torch.tanh(_norm(by_x + by_h, own["gain"], own["bias"])),)
    if cell == "lstm":
        gates = _norm(by_x, own["gain_ih"], own["bias_ih"]) + _norm(by_h, own["gain_hh"])
        o, i, f, g = gates[:, :4], gates[:, 4:8], gates[:, 8:12], gates[:, 12:]
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(_norm(c, own["gain_cell"], own["bias_cell"])), c
    gates = _norm(by_x[:, :8], own["gain_ih"][:8], own["bias_ih"][:8]) + _norm(by_h[:, :8], own["gain_hh"][:8])
    r, z = torch.sigmoid(gates[:, :4]), torch.sigmoid(gates[:, 4:])
    content = _norm(by_x[:, 8:], own["gain_ih"][8:], own["bias_ih"][8:])
    n = torch.tanh(content + r * _norm(by_h[:, 8:], own["gain_hh"][8:], own["bias_hh"]))
    return ((1 - z) * n + z * h,)


def _written_out(
    cell: str, layers: NormalizedLayers, inputs: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    last = []
    for number, layer in enumerate(layers.layers):
        own, before, outputs = dict(layer.named_parameters()), tuple(tensor[number] for tensor in state), []
        for x in inputs.unbind(1):
            before = _step(cell, own, x, before)
            outputs.append(before[0])
        inputs = torch.stack(outputs, dim=1)
        last.append(before)
    return inputs, tuple(torch.stack(column) for column in zip(*last, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("time", [1, 2, 7])
def test_layers_are_the_equations(cell: str, time: int) -> None:
    layers, state = _layers(cell), _state(cell, 2)
    inputs = torch.randn(2, time, 3).double().requires_grad_()
    outputs, last = layers(inputs, state)
    expected, expected_last = _written_out(cell, layers, inputs, state)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(last, expected_last)
    leaves, weight = [inputs, *state, *layers.parameters()], torch.randn(2, time, SIZE).double()
    for loss, expected_loss in (
        ((outputs * weight).sum(), (expected * weight).sum()),
        (last[-1].square().sum(), expected_last[-1].square().sum()),
    ):
        found = torch.autograd.grad(loss, leaves, retain_graph=True, materialize_grads=True)
        wanted = torch.autograd.grad(expected_loss, leaves, retain_graph=True, materialize_grads=True)
        for own, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(own, other)


@pytest.mark.parametrize("cell", CELLS)
def test_reading_without_a_gradient_is_the_same(cell: str) -> None:
    layers, state, inputs = _layers(cell), _state(cell, 2), torch.randn(2, 5, 3).double()
    expected = layers(inputs, state)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(layers(inputs, state), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_every_sequence_ends_at_its_own_length(cell: str) -> None:
    layers, state, inputs = _layers(cell), _state(cell, 3), torch.randn(3, 6, 3).double()
    lengths = torch.tensor([4, 1, 6])
    _, last = layers(inputs, state, lengths)
    inputs[0, 4:] = 100.0  # what is behind an end is not read
    inputs[1, 1:] = -100.0
    torch.testing.assert_close(layers(inputs, state, lengths)[1], last)
    for row, length in enumerate(lengths.tolist()):
        _, alone = layers(inputs[row : row + 1, :length], tuple(own[:, row : row + 1] for own in state))
        for own, expected in zip(last, alone, strict=True):
            torch.testing.assert_close(own[:, row], expected[:, 0])


def _shapes(time: int) -> list[tuple[int, ...]]:
    """Of what `_lstm` takes."""
    return [(time, 2, 4 * SIZE), (4 * SIZE, SIZE), (4 * SIZE,), (SIZE,), (SIZE,), (2, SIZE), (2, SIZE)]


def _lstm(
    inputs: Tensor, weight: Tensor, gain: Tensor, cell_gain: Tensor, cell_bias: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    return normalized_lstm(inputs, weight, gain, cell_gain, cell_bias, (hidden, cell))


def test_gradients_of_the_lstm_are_those_of_small_differences() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(shape).double().requires_grad_() for shape in _shapes(time=3)]
    assert torch.autograd.gradcheck(_lstm, leaves)


def test_nothing_that_comes_in_is_changed() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(shape).requires_grad_() for shape in _shapes(time=5)]
    before = [leaf.detach().clone() for leaf in leaves]
    states = _lstm(*leaves)
    kept, gradients = [own.detach().clone() for own in states], (torch.ones(5, 2, 4), torch.ones(5, 2, 4))
    first, second = (torch.autograd.grad(states, leaves, gradients, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, leaves, before))
    assert all(map(torch.equal, states, kept))
    assert all((gradient == 1).all() for gradient in gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_how_large_the_weights_are_makes_no_difference(cell: str) -> None:
    """They are normalised away: the very property that the method is for."""
    layers, state, inputs = _layers(cell), _state(cell, 2), 10 * torch.randn(2, 5, 3).double()
    expected, _ = layers(inputs, state)
    with torch.no_grad():
        for name, parameter in layers.named_parameters():
            if "weight" in name:
                parameter.mul_(50)
    torch.testing.assert_close(layers(inputs, state)[0], expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("with_gradient", [True, False])
def test_the_state_stays_float32_where_products_are_made_in_bfloat16(with_gradient: bool) -> None:
    """A gate just below 1 is 1 in bfloat16, and would keep what it is to forget."""
    layers = NormalizedLayers("lstm", 3, SIZE, 1, 0.0)
    (layer,) = layers.layers
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.zero_()
        dict(layer.named_parameters())["bias_ih"][8:12] = 7.0  # sigmoid(7) = 0.99909, and nothing comes in
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(with_gradient):
        outputs, (hidden, cell) = layers(torch.randn(1, 700, 3), (torch.zeros(1, 1, 4), torch.ones(1, 1, 4)))
    assert outputs.dtype == hidden.dtype == cell.dtype == torch.float32
    torch.testing.assert_close(cell, torch.full_like(cell, (1 / (1 + math.exp(-7))) ** 700), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_in_bfloat16_are_nearly_those_in_float32(cell: str) -> None:
    torch.manual_seed(0)
    layers, state = NormalizedLayers(cell, 24, 32, 2, 0.0), torch.zeros(2, 8, 32)
    # Few steps: with gains of 1 an untrained LSTM makes much of small differences in time.
    inputs, states = torch.randn(8, 4, 24), (state, state) if cell == "lstm" else (state,)
    weight = torch.randn(8, 4, 32)
    found = []
    for low in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            outputs, _ = layers(inputs, states)
        assert outputs.dtype == torch.float32
        found.append(torch.autograd.grad((outputs * weight).sum(), list(layers.parameters())))
    for own, exact in zip(*found, strict=True):
        assert own.dtype == torch.float32
        assert (own - exact).norm() < 0.05 * exact.norm()


def test_noise_is_between_layers_and_in_training_only() -> None:
    inputs, state = torch.randn(2, 5, 3).double(), _state("lstm", 2)
    layers = _layers("lstm", dropout=0.5)
    (_, first), (_, second) = layers(inputs, state)[1], layers(inputs, state)[1]
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    layers.eval()
    torch.testing.assert_close(layers(inputs, state)[0], _written_out("lstm", layers, inputs, state)[0])


def test_a_cell_that_is_not_here_is_refused() -> None:
    with pytest.raises(ValueError, match="no layer-normalised cell 'sru' here; choose one of rnn, lstm, gru"):
        NormalizedLayers("sru", 3, 4, 1, 0.0)
