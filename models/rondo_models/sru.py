"""Simple recurrent units (Lei et al. 2018, arXiv:1709.02755): recurrent layers without a recurrent matrix product.

    f = sigmoid(F x + b)     c = f * c + (1 - f) * (W x)
    r = sigmoid(R x + d)     h = r * c + (1 - r) * x

All products of a layer are one product for all steps, and what remains is an element-wise scan (`sru_scan`). The gates
are without the terms in the state before that the paper's have (its first version had none): they would be computed
step by step. Where the input is of another size than the state, a further product brings x to it for h.

With layer normalisation (Ba et al. 2016, arXiv:1607.06450) each of these products is normalised, with gains and biases
of its own. None of them depends on the state, so the scan stays what it is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .sru_scan import sru_scan


class NormalizedParts(nn.Module):
    """Each part of a product normalised by itself, with gains and biases."""

    def __init__(self, num_parts: int, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(num_parts, size))
        self.bias = nn.Parameter(torch.zeros(num_parts, size))

    def forward(self, product: Tensor) -> Tensor:
        """(…, parts * size), float32 at least."""
        parts = product.reshape(*product.shape[:-1], *self.gain.shape).to(self.gain.dtype)
        normalized = functional.layer_norm(parts, self.gain.shape[1:])
        return torch.addcmul(self.bias, normalized, self.gain).flatten(-2)


class SRULayers(nn.Module):
    """`num_layers` layers; the state of each is c."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, dropout: float, *, layer_norm: bool = False
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.layer_norm = layer_norm
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.products = nn.ModuleList(self._product(size) for size in sizes)

    def _product(self, input_size: int) -> nn.Module:
        """Of W, F, R, and of x if it is of another size, one below the other."""
        size, num_parts = self.hidden_size, 3 if input_size == self.hidden_size else 4
        product = nn.Linear(input_size, num_parts * size, bias=not self.layer_norm)
        with torch.no_grad():
            for part in torch.split(product.weight, size):
                nn.init.xavier_uniform_(part)
            if not self.layer_norm:
                product.bias.zero_()
                product.bias[size : 2 * size] = 1.0  # open forget gates, as the LSTM's
                return product
            normalized = NormalizedParts(num_parts, size)
            normalized.bias[1] = 1.0
            return nn.Sequential(product, normalized)

    def forward(self, inputs: Tensor, state: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run over time.

        Args:
            inputs: (batch, time, input).
            state: (layers, batch, hidden), before the first step.
            lengths: (batch,), where the sequences end; all at the last step if None.

        Returns:
            outputs (batch, time, hidden) of the last layer, and the state (layers, batch, hidden) at the ends.
        """
        last = []
        for layer, before in enumerate(state):
            if layer:
                inputs = functional.dropout(inputs, self.dropout, self.training)
            inputs, states = self._scan(layer, inputs, before)
            last.append(states[:, -1] if lengths is None else states[torch.arange(len(states)), lengths - 1])
        return inputs, torch.stack(last)

    def step(self, layer: int, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of one layer: (batch, input) and c (batch, hidden) → h (batch, hidden) and the new c."""
        outputs, states = self._scan(layer, inputs[:, None], state)
        return outputs[:, 0], states[:, 0]

    def _scan(self, layer: int, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One layer over (batch, time, input): h and c after every step."""
        return sru_scan(self.products[layer](inputs), inputs if inputs.shape[-1] == self.hidden_size else None, state)
