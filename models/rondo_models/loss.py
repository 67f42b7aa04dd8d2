"""Cross-entropy through a large output layer, without ever holding all logits in float32.

The output layer dominates training on a CPU. Rows are taken in chunks that stay in the cache (larger ones on a GPU);
the gradient with respect to the logits is formed at once and kept in the compute type, so that backward is two matrix
products. On one core this takes about a third of the time of `nn.Linear` + `cross_entropy` (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

CPU_ROWS = 128
GPU_ROWS = 8192


Layer = tuple[Tensor, Tensor, Tensor]
"""Hidden rows (rows, features), an output layer's weight (vocabulary, features) and bias (vocabulary,)."""


@dataclass(frozen=True, slots=True)
class Thoughts:
    """What teachers think of each row.

    Attributes:
        layers: of each teacher; what they think together is the mean of their probabilities.
        weight: of the divergence from that in the loss; the rest has what the targets say.
        temperature: that softens both sides' probabilities; the divergence is multiplied by its square.
    """

    layers: Sequence[Layer]
    weight: float
    temperature: float = 1.0

    def to(self, compute_type: torch.dtype) -> "Thoughts":
        """The same, to be computed with in this type."""
        layers = [
            (hidden.to(compute_type), weight.to(compute_type), bias.to(compute_type))
            for hidden, weight, bias in self.layers
        ]
        return Thoughts(layers, self.weight, self.temperature)

    def of(self, part: slice) -> Tensor:
        """The probabilities in these rows (rows, vocabulary), float32."""
        first, *others = (
            torch.softmax(_softened(torch.addmm(bias, hidden[part], weight.t()), self.temperature), dim=1)
            for hidden, weight, bias in self.layers
        )
        for other in others:
            first.add_(other)
        return first.div_(len(self.layers)) if others else first


class _RowLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        compute_type: torch.dtype,
        thoughts: Thoughts | None,
    ) -> tuple[Tensor, Tensor]:
        rows, size = hidden.shape[0], weight.shape[0]
        thoughts = thoughts.to(compute_type) if thoughts is not None else None
        apart = torch.empty(rows, device=hidden.device) if thoughts is not None else None
        hidden_low, weight_low = hidden.to(compute_type), weight.to(compute_type)
        bias_low, transposed = bias.to(compute_type), weight_low.t()
        gradient = torch.empty(rows, size, dtype=compute_type, device=hidden.device)
        log_likelihood = torch.empty(rows, device=hidden.device)
        mean_logit = torch.empty(rows, device=hidden.device) if smoothing else None
        target_logit = torch.empty(rows, device=hidden.device)
        chunk = CPU_ROWS if hidden.device.type == "cpu" else GPU_ROWS
        for start in range(0, rows, chunk):
            part = slice(start, start + chunk)
            logits = torch.addmm(bias_low, hidden_low[part], transposed)
            target = targets[part, None]
            probabilities = torch.softmax(_softened(logits, 1.0), dim=1)
            target_probability = probabilities.gather(1, target)
            log_likelihood[part] = target_probability.clamp_min(1e-30).log().squeeze(1)
            if mean_logit is not None:
                mean_logit[part] = logits.mean(dim=1, dtype=torch.float32)
                target_logit[part] = logits.gather(1, target).squeeze(1).float()
                probabilities.sub_(smoothing / size)
            probabilities.scatter_(1, target, target_probability - (1 - smoothing + smoothing / size))
            if thoughts is not None and apart is not None:
                apart[part], push = _divergence_and_gradient(logits, thoughts.of(part), thoughts.temperature)
                probabilities.lerp_(push, thoughts.weight)
            gradient[part] = probabilities
        loss = -log_likelihood
        if mean_logit is not None:
            loss = loss + smoothing * (target_logit - mean_logit)
        if thoughts is not None and apart is not None:
            loss = torch.lerp(loss, apart, thoughts.weight)
        ctx.save_for_backward(hidden_low, weight_low, gradient)
        ctx.mark_non_differentiable(log_likelihood)
        return loss, log_likelihood

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss_gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, gradient = ctx.saved_tensors
        scale = loss_gradient[:, None]
        hidden_gradient = torch.mm(gradient, weight).float() * scale
        weight_gradient = torch.mm(gradient.t(), (hidden * scale).to(hidden.dtype)).float()
        bias_gradient = torch.mv(gradient.t(), loss_gradient.to(gradient.dtype)).float()
        return hidden_gradient, weight_gradient, bias_gradient, None, None, None, None


def _softened(logits: Tensor, temperature: float) -> Tensor:
    """In float32, which on a CPU is faster converted first than by the softmax itself."""
    return logits.float() if temperature == 1 else logits.float() / temperature


def _divergence_and_gradient(logits: Tensor, wanted: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The Kullback-Leibler divergence of softened probabilities from the wanted ones, times the squared temperature
    (rows,), and its gradient with respect to the logits (rows, vocabulary)."""
    log_probabilities = torch.log_softmax(_softened(logits, temperature), dim=1)
    divergence = (wanted * (wanted.clamp_min(1e-30).log_() - log_probabilities)).sum(dim=1)
    return divergence * temperature**2, log_probabilities.exp_().sub_(wanted).mul_(temperature)


def output_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    smoothing: float,
    low_precision: bool,
    thoughts: Thoughts | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of `targets` under softmax(hidden · weightᵀ + bias).

    Args:
        hidden: (rows, features).
        weight: (vocabulary, features).
        bias: (vocabulary,).
        targets: (rows,).
        smoothing: share of the probability mass spread evenly over the vocabulary (Szegedy et al. 2016).
        low_precision: compute the products in bfloat16.
        thoughts: what teachers think of the rows, which has a part of the loss then.

    Returns:
        the loss of each row, with smoothing and teachers (rows,), and its plain log-likelihood (rows,), not
        differentiable.
    """
    compute_type = torch.bfloat16 if low_precision else torch.float32
    arguments = (hidden.float(), weight, bias, targets, smoothing, compute_type, thoughts)
    result: tuple[Tensor, Tensor] = _RowLoss.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def divergence(first: Tensor, second: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Half the sum of both Kullback-Leibler divergences between softmax(first · weightᵀ + bias) and the same of
    `second`, row by row.

    Args:
        first: (rows, features).
        second: (rows, features).
        weight: (vocabulary, features).
        bias: (vocabulary,).

    Returns:
        (rows,), in nats.
    """
    return divergence_of_logits(*(functional.linear(hidden, weight, bias) for hidden in (first, second)))


def divergence_of_logits(first: Tensor, second: Tensor) -> Tensor:
    """As `divergence`, of logits (rows, classes) that are there: (rows,), in nats."""
    one, other = (logits.float().log_softmax(dim=-1) for logits in (first, second))
    return ((one.exp() - other.exp()) * (one - other)).sum(dim=-1) / 2
