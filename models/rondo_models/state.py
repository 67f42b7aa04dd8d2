"""The recurrent state of a batch of sequences: a few tensors with one row a sequence.

Taking rows and putting batches together is all that admitting, reordering and finishing sequences needs.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """State tensors, each (layers, batch, hidden): `h` for RNN and GRU, `h` and `c` for LSTM, `c` for SRU."""

    tensors: tuple[Tensor, ...]

    @property
    def num_rows(self) -> int:
        """Number of sequences."""
        return self.tensors[0].shape[1]

    def select(self, rows: Tensor) -> "RecurrentState":
        """The state of `rows` (n,), in that order; a row may be taken several times."""
        return RecurrentState(tuple(tensor.index_select(1, rows) for tensor in self.tensors))

    @staticmethod
    def concat(states: Sequence["RecurrentState"]) -> "RecurrentState":
        """One state with the rows of all."""
        columns = zip(*(state.tensors for state in states), strict=True)
        return RecurrentState(tuple(torch.cat(column, dim=1) for column in columns))


def numbers_tensor(numbers: Sequence[int]) -> Tensor:
    """(n,) int64, of rows or tokens; `torch.tensor` takes seven times as long."""
    return torch.frombuffer(array("q", numbers), dtype=torch.int64) if numbers else torch.empty(0, dtype=torch.int64)
