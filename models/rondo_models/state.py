"""The recurrent state of a batch of sequences: a few tensors with one row a sequence.

Row operations are all that a slot table needs: take rows, write rows, put batches together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """State tensors, each (layers, batch, hidden): `h` for RNN and GRU, `h` and `c` for LSTM."""

    tensors: tuple[Tensor, ...]

    @property
    def num_rows(self) -> int:
        """Number of sequences."""
        return self.tensors[0].shape[1]

    def select(self, rows: Tensor) -> "RecurrentState":
        """The state of `rows` (n,), in that order; a row may be taken several times."""
        return RecurrentState(tuple(tensor.index_select(1, rows) for tensor in self.tensors))

    def scatter(self, rows: Tensor, source: "RecurrentState") -> None:
        """Write row i of `source` to row `rows[i]`, in place."""
        for tensor, new in zip(self.tensors, source.tensors, strict=True):
            tensor.index_copy_(1, rows, new)

    @staticmethod
    def concat(states: Sequence["RecurrentState"]) -> "RecurrentState":
        """One state with the rows of all."""
        columns = zip(*(state.tensors for state in states), strict=True)
        return RecurrentState(tuple(torch.cat(column, dim=1) for column in columns))

    def num_bytes_per_row(self) -> int:
        """Memory of one sequence's state."""
        return sum(t.shape[0] * t.shape[2] * t.element_size() for t in self.tensors)
