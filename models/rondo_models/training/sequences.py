"""Many id sequences in one flat array."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

IdArray = NDArray[numpy.int32]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Ragged id sequences.

    Attributes:
        ids: all ids, one sequence after another.
        offsets: (n + 1,), where each sequence begins; the last is the number of ids.
    """

    ids: IdArray
    offsets: NDArray[numpy.int64]

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> "Sequences":
        """Copy from lists of ids."""
        parts = [numpy.asarray(sequence, dtype=numpy.int32) for sequence in sequences]
        lengths = numpy.array([0, *(len(part) for part in parts)], dtype=numpy.int64)
        ids = numpy.concatenate(parts) if parts else numpy.empty(0, dtype=numpy.int32)
        return cls(ids, numpy.cumsum(lengths))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> IdArray:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> NDArray[numpy.int64]:
        """(n,) number of ids of each sequence."""
        return numpy.diff(self.offsets)


def padded(sequences: Sequence[IdArray | Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pad on the right: ids (batch, longest) and lengths (batch,), both int64."""
    lengths = numpy.array([len(sequence) for sequence in sequences])
    ids = numpy.full((len(sequences), int(lengths.max())), pad_id)
    ids[numpy.arange(ids.shape[1]) < lengths[:, None]] = numpy.concatenate(sequences)
    return torch.from_numpy(ids), torch.from_numpy(lengths)
