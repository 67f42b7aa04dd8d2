"""A layer-normalised LSTM over time with its gradient, for training. Knows no module.

    o, i, f, g = x[t] + LN(U h[t - 1])     c[t] = σ(f) c[t - 1] + σ(i) tanh(g)     h[t] = σ(o) tanh(LN(c[t]))

The gradient is written out: what autograd would record of a step takes longer than its products, where there are few
rows, and what U gets of all steps is one product at the end.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPSILON = 1e-5
_ALL = [True, True, True]


class _NormalizedLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        inputs: Tensor,
        weight: Tensor,
        gain: Tensor,
        cell_gain: Tensor,
        cell_bias: Tensor,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        num_steps, (num_rows, size) = len(inputs), hidden.shape
        hiddens, cells = hidden.new_empty(2, num_steps + 1, num_rows, size).unbind()  # before the first step and after
        hiddens[0], cells[0] = hidden, cell
        products = weight.new_empty(num_steps, num_rows, 4 * size)
        gates, shown = hidden.new_empty(num_steps, num_rows, 4 * size), torch.empty_like(hiddens[1:])
        transposed, statistics = weight.t(), []
        for time in range(num_steps):
            product, own = products[time], gates[time]
            torch.mm(hiddens[time].to(weight.dtype), transposed, out=product)
            normalized, *of_product = torch.native_layer_norm(product.to(own.dtype), [4 * size], gain, None, EPSILON)
            torch.add(normalized, inputs[time], out=own)
            own[:, : 3 * size].sigmoid_()
            own[:, 3 * size :].tanh_()
            o, i, f, g = own.chunk(4, dim=1)
            torch.mul(f, cells[time], out=cells[time + 1]).addcmul_(i, g)
            normalized, *of_cell = torch.native_layer_norm(cells[time + 1], [size], cell_gain, cell_bias, EPSILON)
            torch.tanh(normalized, out=shown[time])
            torch.mul(o, shown[time], out=hiddens[time + 1])
            statistics.append((*of_product, *of_cell))
        stacked = (torch.stack(own) for own in zip(*statistics, strict=True))  # each (time, batch, 1)
        context.save_for_backward(weight, gain, cell_gain, hiddens, cells, products, gates, shown, *stacked)
        context.inputs_dtype = inputs.dtype
        context.set_materialize_grads(False)
        return hiddens[1:], cells[1:]

    @staticmethod
    @once_differentiable
    def backward(context: Any, by_hiddens: Tensor | None, by_cells: Tensor | None) -> tuple[Tensor, ...]:
        weight, gain, cell_gain, hiddens, cells, products, gates, shown, *statistics = context.saved_tensors
        size = hiddens.shape[-1]
        by_inputs, by_products = torch.empty_like(gates, dtype=context.inputs_dtype), torch.empty_like(products)
        by_gates = torch.empty_like(gates[0])  # before their sigmoid or tanh
        by_o, by_i, by_f, by_g = by_gates.chunk(4, dim=1)
        by_three = by_gates[:, : 3 * size]
        by_hidden, by_cell = torch.zeros_like(hiddens[0]), torch.zeros_like(hiddens[0])
        by_gain, by_cell_gain, by_cell_bias = (torch.zeros_like(own) for own in (gain, cell_gain, cell_gain))
        for time in range(len(gates) - 1, -1, -1):
            o, i, f, g = gates[time].chunk(4, dim=1)
            mean, rate, cell_mean, cell_rate = (own[time] for own in statistics)
            if by_hiddens is not None:
                by_hidden += by_hiddens[time]
            if by_cells is not None:
                by_cell += by_cells[time]
            by_normalized = torch.ops.aten.tanh_backward(by_hidden * o, shown[time])
            by_own, to_gain, to_bias = torch.ops.aten.native_layer_norm_backward(
                by_normalized, cells[time + 1], [size], cell_mean, cell_rate, cell_gain, cell_gain, _ALL
            )
            by_cell += by_own
            by_cell_gain += to_gain
            by_cell_bias += to_bias
            torch.mul(by_hidden, shown[time], out=by_o)
            torch.mul(by_cell, g, out=by_i)
            torch.mul(by_cell, cells[time], out=by_f)
            torch.mul(by_cell, i, out=by_g)
            torch.ops.aten.sigmoid_backward.grad_input(by_three, gates[time, :, : 3 * size], grad_input=by_three)
            torch.ops.aten.tanh_backward.grad_input(by_g, g, grad_input=by_g)
            by_inputs[time] = by_gates
            by_product, to_gain, _ = torch.ops.aten.native_layer_norm_backward(
                by_gates, products[time].to(by_gates.dtype), [4 * size], mean, rate, gain, gain, _ALL
            )
            by_gain += to_gain
            by_products[time] = by_product
            by_hidden = torch.mm(by_products[time], weight).to(by_hidden.dtype)
            by_cell *= f
        before = hiddens[:-1].to(weight.dtype)
        by_weight = torch.mm(by_products.flatten(0, 1).t(), before.flatten(0, 1))
        return by_inputs, by_weight, by_gain, by_cell_gain, by_cell_bias, by_hidden, by_cell


def normalized_lstm(
    inputs: Tensor,
    weight: Tensor,
    gain: Tensor,
    cell_gain: Tensor,
    cell_bias: Tensor,
    state: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    """States after every step; products are made in the precision of `weight`, all else in that of the state.

    Args:
        inputs: (time, batch, 4 * hidden): x, what the inputs give to o, i, f and g.
        weight: U, (4 * hidden, hidden).
        gain: (4 * hidden,), of LN(U h).
        cell_gain, cell_bias: (hidden,), of LN(c).
        state: h and c, each (batch, hidden), before the first step.

    Returns:
        h and c, each (time, batch, hidden).
    """
    with torch.autocast(inputs.device.type, enabled=False):
        states = _NormalizedLSTM.apply(inputs, weight, gain, cell_gain, cell_bias, *state)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor]", states)
