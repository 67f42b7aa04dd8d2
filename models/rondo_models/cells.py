"""A stack of recurrent layers of one kind of cell, forward in time."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from .normalized import NormalizedLayers
from .sru import SRULayers
from .state import RecurrentState

Cell = Literal["rnn", "lstm", "gru", "sru"]
CELLS: tuple[Cell, ...] = get_args(Cell)


def check_cell(cell: str) -> None:
    """Raises ValueError: `cell` is none that is known."""
    if cell not in CELLS:
        raise ValueError(f"unknown cell {cell!r}; choose one of {', '.join(CELLS)}")


class RecurrentStack(nn.Module):
    """`num_layers` recurrent layers: Elman RNN (tanh), LSTM (Hochreiter & Schmidhuber 1997, with forget gate),
    GRU (Cho et al. 2014, arXiv:1406.1078), or SRU, which has no recurrent matrix product (`sru`); each with layer
    normalisation if `layer_norm` (`normalized`).
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        *,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        between = dropout if num_layers > 1 else 0.0
        self.layers: nn.RNN | nn.LSTM | nn.GRU | SRULayers | NormalizedLayers
        if cell == "sru":
            self.layers = SRULayers(input_size, hidden_size, num_layers, between, layer_norm=layer_norm)
        elif layer_norm:
            self.layers = NormalizedLayers(cell, input_size, hidden_size, num_layers, between)
        elif cell == "rnn":
            self.layers = nn.RNN(input_size, hidden_size, num_layers, batch_first=True, dropout=between)
        elif cell == "lstm":
            self.layers = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, dropout=between)
            self._open_forget_gates()
        elif cell == "gru":
            self.layers = nn.GRU(input_size, hidden_size, num_layers, batch_first=True, dropout=between)
        else:
            check_cell(cell)

    def _open_forget_gates(self) -> None:
        for name, parameter in self.layers.named_parameters():
            if name.startswith("bias_ih"):
                with torch.no_grad():
                    parameter[self.hidden_size : 2 * self.hidden_size] = 1.0

    def initial_state(self, num_rows: int) -> RecurrentState:
        """A zero state for `num_rows` new sequences."""
        weight = next(self.parameters())
        num_tensors = 2 if self.cell == "lstm" else 1
        shape = (self.num_layers, num_rows, self.hidden_size)
        return RecurrentState(tuple(weight.new_zeros(shape) for _ in range(num_tensors)))

    def forward(self, inputs: Tensor, state: RecurrentState | None = None) -> tuple[Tensor, RecurrentState]:
        """Run over time.

        Args:
            inputs: (batch, time, input).
            state: the state before the first step; zero if None.

        Returns:
            outputs (batch, time, hidden) of the last layer, and the state after the last step.
        """
        if state is None:
            state = self.initial_state(inputs.shape[0])
        if isinstance(self.layers, NormalizedLayers):
            outputs, after = self.layers(inputs, state.tensors)
            return outputs, RecurrentState(after)
        if self.cell == "lstm":
            h, c = state.tensors
            outputs, (h, c) = self.layers(inputs, (h, c))
            return outputs, RecurrentState((h, c))
        outputs, last = self.layers(inputs, state.tensors[0])
        return outputs, RecurrentState((last,))

    def forward_packed(
        self, packed: PackedSequence, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Run sequences of unlike length from `state`, or a zero state: padded outputs (batch, time, hidden), and
        each sequence's state after its own last step."""
        if isinstance(self.layers, SRULayers | NormalizedLayers):
            inputs, lengths = pad_packed_sequence(packed, batch_first=True)
            begun = self.initial_state(len(lengths)) if state is None else state
            if isinstance(self.layers, NormalizedLayers):
                outputs, after = self.layers(inputs, begun.tensors, lengths)
                return outputs, RecurrentState(after)
            outputs, last = self.layers(inputs, begun.tensors[0], lengths)
            return outputs, RecurrentState((last,))
        before = None if state is None else state.tensors if self.cell == "lstm" else state.tensors[0]
        outputs, last = self.layers(packed, before)
        padded, _ = pad_packed_sequence(outputs, batch_first=True)
        return padded, RecurrentState(tuple(last) if self.cell == "lstm" else (last,))

    def step(self, inputs: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """One time step, (batch, input) → (batch, hidden): the equations written out.

        For a single step this is several times faster on a CPU than the library's layer, which repacks its
        weights at every call. `forward` is the reference that the tests hold it to.
        """
        states = []
        for layer in range(self.num_layers):
            inputs, *new = self._step_layer(inputs, layer, [tensor[layer] for tensor in state.tensors])
            states.append(new)
        return inputs, RecurrentState(tuple(torch.stack(column) for column in zip(*states, strict=True)))

    def _step_layer(self, inputs: Tensor, layer: int, state: list[Tensor]) -> list[Tensor]:
        """A layer's outputs (batch, hidden) and its new state tensors."""
        if isinstance(self.layers, SRULayers):
            return list(self.layers.step(layer, inputs, state[0]))
        if isinstance(self.layers, NormalizedLayers):
            new = self.layers.step(layer, inputs, tuple(state))
            return [new[0], *new]
        input_weight, hidden_weight, input_bias, hidden_bias = (
            getattr(self.layers, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        from_input = functional.linear(inputs, input_weight, input_bias)
        from_hidden = functional.linear(state[0], hidden_weight, hidden_bias)
        if self.cell == "rnn":
            h = torch.tanh(from_input + from_hidden)
            return [h, h]
        if self.cell == "lstm":
            i, f, g, o = (from_input + from_hidden).chunk(4, dim=-1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            return [h, h, c]
        if self.cell == "gru":
            input_r, input_z, input_n = from_input.chunk(3, dim=-1)
            hidden_r, hidden_z, hidden_n = from_hidden.chunk(3, dim=-1)
            z = torch.sigmoid(input_z + hidden_z)
            n = torch.tanh(input_n + torch.sigmoid(input_r + hidden_r) * hidden_n)
            h = (1 - z) * n + z * state[0]
            return [h, h]
        raise ValueError(f"unknown cell {self.cell!r}")
