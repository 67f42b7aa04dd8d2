"""Recurrent layers with layer normalisation (Ba et al. 2016, arXiv:1607.06450): Elman RNN, LSTM and GRU.

    rnn     h = tanh(LN(W x + U h'))
    lstm    o, i, f, g = LN(W x) + LN(U h')     c = σ(f) c' + σ(i) tanh(g)     h = σ(o) tanh(LN(c))
    gru     r, z = σ(LN(W x) + LN(U h'))        n = tanh(LN(V x) + r LN(Y h'))     h = (1 - z) n + z h'

h' and c' are of the step before. Each LN is over all that is named before it (r and z together, as o, i, f and g), with
gains of its own, and a bias where it is not added to another that has one. The inputs' part is made for all steps at
once. For training an LSTM there is a fast path (`normalized_lstm`); all else is the equations, step by step.
"""

import abc

import torch
from torch import Tensor, nn
from torch.nn import functional

from .normalized_lstm import EPSILON, normalized_lstm

State = tuple[Tensor, ...]


def _norm(values: Tensor, gain: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.layer_norm(values, gain.shape, gain, bias, EPSILON)


class NormalizedLayer(nn.Module, abc.ABC):
    """One layer: `weight_ih` (width, input) of the inputs, `weight_hh` (width, hidden) of the state before."""

    def __init__(self, input_size: int, hidden_size: int, num_parts: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.weight_ih = nn.Parameter(torch.empty(num_parts * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(num_parts * hidden_size, hidden_size))
        for weight in (self.weight_ih, self.weight_hh):
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    def from_inputs(self, inputs: Tensor) -> Tensor:
        """(…, input) → (…, width): what does not depend on the state."""
        return self._normalized_inputs(functional.linear(inputs, self.weight_ih))

    @abc.abstractmethod
    def _normalized_inputs(self, product: Tensor) -> Tensor: ...

    def recurrent_weight(self) -> Tensor:
        """`weight_hh` as it is multiplied with: cast once for all steps where products are made in bfloat16."""
        device = self.weight_hh.device.type
        if torch.is_autocast_enabled(device):
            return self.weight_hh.to(torch.get_autocast_dtype(device))
        return self.weight_hh

    @abc.abstractmethod
    def advance(self, own: Tensor, weight: Tensor, state: State) -> State:
        """One step: `own` (batch, width) from the inputs, `weight` to multiply with, and state tensors
        (batch, hidden), h the first → the new ones, as exact as those before."""

    def run(self, inputs: Tensor, state: State) -> State:
        """Over (time, batch, input): the state tensors after every step, each (time, batch, hidden)."""
        weight, states = self.recurrent_weight(), []
        for own in self.from_inputs(inputs).unbind():
            state = self.advance(own, weight, state)
            states.append(state)
        return tuple(torch.stack(column) for column in zip(*states, strict=True))


def _gain(size: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(size))


def _bias(size: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(size))


class _RNNLayer(NormalizedLayer):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 1)
        self.gain, self.bias = _gain(hidden_size), _bias(hidden_size)

    def _normalized_inputs(self, product: Tensor) -> Tensor:
        return product

    def advance(self, own: Tensor, weight: Tensor, state: State) -> State:
        (hidden,) = state
        product = functional.linear(hidden, weight).to(hidden.dtype)
        return (torch.tanh(_norm(own + product, self.gain, self.bias)),)


class _LSTMLayer(NormalizedLayer):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 4)
        self.gain_ih, self.bias_ih = _gain(4 * hidden_size), _bias(4 * hidden_size)
        self.gain_hh = _gain(4 * hidden_size)
        self.gain_cell, self.bias_cell = _gain(hidden_size), _bias(hidden_size)
        with torch.no_grad():
            self.bias_ih[2 * hidden_size : 3 * hidden_size] = 1.0  # open forget gates

    def _normalized_inputs(self, product: Tensor) -> Tensor:
        return _norm(product, self.gain_ih, self.bias_ih)

    def advance(self, own: Tensor, weight: Tensor, state: State) -> State:
        hidden, cell = state
        normalized = _norm(functional.linear(hidden, weight), self.gain_hh).to(hidden.dtype)
        o, i, f, g = (own + normalized).chunk(4, dim=-1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(_norm(cell, self.gain_cell, self.bias_cell)), cell

    def run(self, inputs: Tensor, state: State) -> State:
        if not torch.is_grad_enabled():
            return super().run(inputs, state)
        own, weight = self.from_inputs(inputs), self.recurrent_weight()
        return normalized_lstm(own, weight, self.gain_hh, self.gain_cell, self.bias_cell, state)


class _GRULayer(NormalizedLayer):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3)
        self.gain_ih, self.bias_ih = _gain(3 * hidden_size), _bias(3 * hidden_size)
        self.gain_hh, self.bias_hh = _gain(3 * hidden_size), _bias(hidden_size)

    def _normalized_inputs(self, product: Tensor) -> Tensor:
        return torch.cat(self._norms(product, self.gain_ih, *self._split(self.bias_ih)), dim=-1)

    def _split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Of r and z together, and of n."""
        return values[..., : 2 * self.hidden_size], values[..., 2 * self.hidden_size :]

    def _norms(
        self, product: Tensor, gain: Tensor, gates_bias: Tensor | None, content_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        (gates, content), (gates_gain, content_gain) = self._split(product), self._split(gain)
        return _norm(gates, gates_gain, gates_bias), _norm(content, content_gain, content_bias)

    def advance(self, own: Tensor, weight: Tensor, state: State) -> State:
        (hidden,) = state
        own_gates, own_content = self._split(own)
        gates, content = self._norms(functional.linear(hidden, weight), self.gain_hh, None, self.bias_hh)
        r, z = torch.sigmoid(own_gates + gates.to(hidden.dtype)).chunk(2, dim=-1)
        n = torch.tanh(own_content + r * content)
        return (torch.lerp(n, hidden, z),)


def _layer(cell: str, input_size: int, hidden_size: int) -> NormalizedLayer:
    if cell == "rnn":
        return _RNNLayer(input_size, hidden_size)
    if cell == "lstm":
        return _LSTMLayer(input_size, hidden_size)
    if cell == "gru":
        return _GRULayer(input_size, hidden_size)
    raise ValueError(f"no layer-normalised cell {cell!r} here; choose one of rnn, lstm, gru")


class NormalizedLayers(nn.Module):
    """`num_layers` layers of one kind.

    Raises:
        ValueError: `cell` is none of "rnn", "lstm" and "gru".
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(_layer(cell, size, hidden_size) for size in sizes)

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over time.

        Args:
            inputs: (batch, time, input).
            state: tensors (layers, batch, hidden), before the first step.
            lengths: (batch,), where the sequences end; all at the last step if None.

        Returns:
            outputs (batch, time, hidden) of the last layer, and the state tensors at the ends.
        """
        steps, last = inputs.transpose(0, 1), []
        ends = None if lengths is None else (lengths - 1, torch.arange(len(lengths)))
        for number, layer in enumerate(self.layers):
            if number:
                steps = functional.dropout(steps, self.dropout, self.training)
            assert isinstance(layer, NormalizedLayer)
            states = layer.run(steps, tuple(tensor[number] for tensor in state))
            last.append([own[-1] if ends is None else own[ends] for own in states])
            steps = states[0]
        return steps.transpose(0, 1), tuple(torch.stack(column) for column in zip(*last, strict=True))

    def step(self, number: int, inputs: Tensor, state: State) -> State:
        """One step of one layer: (batch, input) and state tensors (batch, hidden) → the new ones, h the first."""
        layer = self.layers[number]
        assert isinstance(layer, NormalizedLayer)
        return layer.advance(layer.from_inputs(inputs), layer.recurrent_weight(), state)
