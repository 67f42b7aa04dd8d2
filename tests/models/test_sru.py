"""SRU layers: the equations of the paper and their gradients, a state in float32, noise between layers."""

import pytest
import torch
from torch import Tensor, nn

from rondo_models.sru import NormalizedParts, SRULayers
from rondo_models.sru_scan import sru_scan


def _written_out(layers: SRULayers, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One matrix product, one gate and one step after another, as the paper has them."""
    size, last = layers.hidden_size, []
    for product, before in zip(layers.products, state, strict=True):
        weights, biases, gains = _parts(product, size)
        c, outputs = before, []
        for x in inputs.unbind(1):
            products = [x @ w.T for w in weights]
            if gains:
                products = [_normalized(own) * gain for own, gain in zip(products, gains, strict=True)]
            content, forget, reset, *projected = [own + bias for own, bias in zip(products, biases, strict=True)]
            f, r = torch.sigmoid(forget), torch.sigmoid(reset)
            c = f * c + (1 - f) * content
            outputs.append(r * c + (1 - r) * (projected[0] if projected else x))
        inputs = torch.stack(outputs, dim=1)
        last.append(c)
    return inputs, torch.stack(last)


def _parts(product: nn.Module, size: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Weights and biases of W, F, R and maybe x, and gains if they are normalised."""
    if isinstance(product, nn.Linear):
        return torch.split(product.weight, size), torch.split(product.bias, size), ()
    assert isinstance(product, nn.Sequential)
    linear, norm = product
    assert isinstance(linear, nn.Linear)
    assert isinstance(norm, NormalizedParts)
    assert linear.bias is None
    return torch.split(linear.weight, size), norm.bias.unbind(), norm.gain.unbind()


def _normalized(values: Tensor) -> Tensor:
    centred = values - values.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()


def _layers(input_size: int = 3, num_layers: int = 2, dropout: float = 0.0, *, layer_norm: bool = False) -> SRULayers:
    """With gains and biases that are not those of the start, if there are gains."""
    torch.manual_seed(0)
    layers = SRULayers(input_size, 4, num_layers, dropout, layer_norm=layer_norm).double()
    if layer_norm:
        with torch.no_grad():
            for parameter in layers.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return layers


@pytest.mark.parametrize("input_size", [3, 4])
@pytest.mark.parametrize("time", [1, 2, 7])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_layers_are_the_equations(input_size: int, time: int, layer_norm: bool) -> None:
    layers = _layers(input_size, layer_norm=layer_norm)
    inputs = torch.randn(2, time, input_size).double().requires_grad_()
    state = torch.randn(2, 2, 4).double().requires_grad_()
    outputs, last = layers(inputs, state)
    expected, expected_last = _written_out(layers, inputs, state)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(last, expected_last)
    leaves, weight = [inputs, state, *layers.parameters()], torch.randn(2, time, 4).double()
    for loss, expected_loss in (
        ((outputs * weight).sum(), (expected * weight).sum()),
        (last.square().sum(), expected_last.square().sum()),
    ):
        found = torch.autograd.grad(loss, leaves, retain_graph=True, materialize_grads=True)
        wanted = torch.autograd.grad(expected_loss, leaves, retain_graph=True, materialize_grads=True)
        for own, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(own, other)


@pytest.mark.parametrize("projected", [True, False])
def test_gradients_are_those_of_small_differences(projected: bool) -> None:
    torch.manual_seed(0)
    product = torch.randn(2, 5, 16 if projected else 12).double().requires_grad_()
    inputs, state = torch.randn(2, 5, 4).double().requires_grad_(), torch.randn(2, 4).double().requires_grad_()
    if projected:
        assert torch.autograd.gradcheck(lambda product, state: sru_scan(product, None, state), (product, state))
    else:
        assert torch.autograd.gradcheck(sru_scan, (product, inputs, state))


def test_nothing_that_comes_in_is_changed() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(2, 5, 12).requires_grad_(), torch.randn(2, 5, 4).requires_grad_(), torch.randn(2, 4)]
    before = [tensor.detach().clone() for tensor in leaves]
    outputs, states = sru_scan(*leaves)
    kept, gradients = (outputs.detach().clone(), states.detach().clone()), (torch.ones(2, 5, 4), torch.ones(2, 5, 4))
    torch.autograd.backward((outputs, states), gradients)
    assert all(map(torch.equal, leaves, before))
    assert all(map(torch.equal, (outputs, states), kept))
    assert all((gradient == 1).all() for gradient in gradients)


def test_the_state_stays_float32_where_products_are_made_in_bfloat16() -> None:
    """A gate just below 1 is 1 in bfloat16, and would keep what it is to forget."""
    layers = _layers(num_layers=1).float()
    with torch.no_grad():
        weight, bias = layers.parameters()
        weight.zero_()
        bias[4:8] = 7.0  # sigmoid(7) = 0.99909
    with torch.autocast("cpu", torch.bfloat16):
        outputs, last = layers(torch.randn(1, 700, 3), torch.ones(1, 1, 4))
    assert outputs.dtype == last.dtype == torch.float32
    torch.testing.assert_close(last, torch.full_like(last, 0.99908895**700), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_gradients_in_bfloat16_are_nearly_those_in_float32(layer_norm: bool) -> None:
    layers = _layers(num_layers=2, layer_norm=layer_norm).float()
    inputs, state = torch.randn(8, 20, 3), torch.zeros(2, 8, 4)
    found = []
    for low in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            outputs, _ = layers(inputs, state)
        found.append(torch.autograd.grad(outputs.square().sum(), list(layers.parameters())))
    for own, exact in zip(*found, strict=True):
        assert own.dtype == torch.float32
        assert (own - exact).norm() < 0.02 * exact.norm()


def test_noise_is_between_layers_and_in_training_only() -> None:
    inputs, state = torch.randn(2, 5, 3).double(), torch.zeros(2, 2, 4).double()
    layers = _layers(dropout=0.5)
    first, second = layers(inputs, state)[1], layers(inputs, state)[1]
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    layers.eval()
    torch.testing.assert_close(layers(inputs, state)[0], _written_out(layers, inputs, state)[0])
