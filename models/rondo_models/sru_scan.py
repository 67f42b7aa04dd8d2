"""What an SRU layer does after its matrix product, fast on a CPU, with its gradient. Knows no weights.

    c[t] = f[t] * c[t - 1] + (1 - f[t]) * w[t]     h[t] = r[t] * c[t] + (1 - r[t]) * x[t]

Neither gates nor contents depend on the state, so there is one element-wise operation a step in either direction, and
everything else is done for all steps at once. The gradient is written out: what autograd would record, copy and put
together again takes longer than the matrix products.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Gradients = tuple[Tensor, Tensor | None, Tensor]


class _SRUScan(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, product: Tensor, inputs: Tensor | None, state: Tensor) -> tuple[Tensor, Tensor]:
        size = state.shape[-1]
        # Where products are made in bfloat16, a gate near 1 would keep what it is to forget.
        parts = product.to(torch.promote_types(product.dtype, torch.float32))
        gates = parts[..., size : 3 * size].sigmoid()
        forget, reset = gates[..., :size], gates[..., size:]
        contents, before = parts[..., :size], state.to(parts.dtype)
        states = torch.empty_like(contents, memory_format=torch.contiguous_format)
        for content, gate, after in zip(contents.unbind(1), forget.unbind(1), states.unbind(1), strict=True):
            before = torch.lerp(content, before, gate, out=after)
        passed = _passed(parts, inputs, size)
        context.save_for_backward(parts, inputs, gates, state, states)
        context.product_dtype = product.dtype
        context.set_materialize_grads(False)
        return torch.lerp(passed, states, reset), states

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor | None) -> Gradients:
        parts, inputs, gates, state, states = context.saved_tensors
        size = state.shape[-1]
        forget, reset = gates[..., :size], gates[..., size:]
        by_outputs, by_states = gradients
        if by_outputs is None:
            by_outputs = torch.zeros_like(states)
        by_product = torch.empty(parts.shape, dtype=context.product_dtype, device=parts.device)

        reached = by_outputs * reset  # dLoss/dc[t], by all ways
        by_passed = by_outputs - reached
        rest = (states - _passed(parts, inputs, size)).mul_(by_outputs)
        by_product[..., 2 * size : 3 * size] = _through_sigmoid(rest, reset)
        if by_states is not None:
            reached += by_states
        steps, forget_steps = reached.unbind(1), forget.unbind(1)
        for time in range(len(steps) - 1, 0, -1):
            steps[time - 1].addcmul_(forget_steps[time], steps[time])

        contents = parts[..., :size]
        torch.sub(states[:, :-1], contents[:, 1:], out=rest[:, 1:])
        torch.sub(state, contents[:, 0], out=rest[:, 0])
        by_product[..., size : 2 * size] = _through_sigmoid(rest.mul_(reached), forget)
        by_state = (steps[0] * forget_steps[0]).to(state.dtype)
        by_product[..., :size] = reached.addcmul_(reached, forget, value=-1)
        if inputs is None:
            by_product[..., 3 * size :] = by_passed
            return by_product, None, by_state
        return by_product, by_passed.to(inputs.dtype), by_state


def _passed(parts: Tensor, inputs: Tensor | None, size: int) -> Tensor:
    """x[t] as it goes into h[t]: the layer's inputs, or where those are of another size, the product's fourth part."""
    return parts[..., 3 * size :] if inputs is None else inputs.to(parts.dtype)


def _through_sigmoid(gradient: Tensor, gate: Tensor) -> Tensor:
    return torch.ops.aten.sigmoid_backward(gradient, gate)  # type: ignore[no-any-return]


def sru_scan(product: Tensor, inputs: Tensor | None, state: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and states after every step; computed in float32 at least.

    Args:
        product: (batch, time, 3 or 4 * hidden): w, then what f and r are the sigmoid of, then x unless `inputs` is it.
        inputs: (batch, time, hidden), x; None where the product has it.
        state: (batch, hidden), c before the first step.

    Returns:
        h and c, each (batch, time, hidden).
    """
    return cast("tuple[Tensor, Tensor]", _SRUScan.apply(product, inputs, state))  # type: ignore[no-untyped-call]
