"""What is kept of running rows between two steps of the native executor."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..state import RecurrentState

_batch_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Sources:
    """What the rows of a decoder attend to.

    Attributes:
        batches: by number, the values (tokens, hidden) of sources that were read together and, for a head that copies,
            their ids (tokens,).
        numbers: (rows,), of the batch that each row's source is in.
        lengths: (rows,), of the sources.
        addresses, id_addresses: (rows,), where the values and the ids of each row's source begin.
    """

    batches: Mapping[int, tuple[Tensor, Tensor]]
    numbers: Tensor
    lengths: Tensor
    addresses: Tensor
    id_addresses: Tensor

    @staticmethod
    def of(values: Tensor, ids: Tensor, lengths: Tensor) -> "Sources":
        """From the values (tokens, hidden) and ids (tokens,) of one source after another, and their lengths (rows,).

        A head that doesn't copy needs no ids.
        """
        number, begins = next(_batch_numbers), lengths.cumsum(0) - lengths
        addresses, id_addresses = (
            tensor.data_ptr() + begins * (tensor.stride(0) * tensor.element_size()) for tensor in (values, ids)
        )
        return Sources({number: (values, ids)}, torch.full_like(lengths, number), lengths, addresses, id_addresses)

    def select(self, rows: Tensor) -> "Sources":
        """Rows (n,) in that order."""
        numbers = self.numbers[rows]
        needed = set(numbers.tolist())
        batches = {number: batch for number, batch in self.batches.items() if number in needed}
        return Sources(batches, numbers, self.lengths[rows], self.addresses[rows], self.id_addresses[rows])

    def joined(self, other: "Sources") -> "Sources":
        """The rows of both."""
        return Sources(
            {**self.batches, **other.batches},
            torch.cat([self.numbers, other.numbers]),
            torch.cat([self.lengths, other.lengths]),
            torch.cat([self.addresses, other.addresses]),
            torch.cat([self.id_addresses, other.id_addresses]),
        )


@dataclass(frozen=True, slots=True)
class NativeState:
    """State of the running rows of one head.

    Attributes:
        lower: of the shared forward stack.
        top: of the head's private layer, if it has one.
        sources: of a decoder head.
        index: (rows,), the rows of `lower` and `top` that are meant; all if None.
    """

    lower: RecurrentState
    top: RecurrentState | None = None
    sources: Sources | None = None
    index: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """Number of running rows."""
        return self.lower.num_rows if self.index is None else len(self.index)

    def select(self, rows: Tensor) -> "NativeState":
        """Rows (n,) in that order."""
        index = rows if self.index is None else self.index[rows]
        return NativeState(self.lower, self.top, None if self.sources is None else self.sources.select(rows), index)

    def joined(self, other: "NativeState") -> "NativeState":
        """The rows of both, these first."""
        a, b = self.gathered(), other.gathered()
        return NativeState(
            RecurrentState.concat([a.lower, b.lower]),
            None if a.top is None or b.top is None else RecurrentState.concat([a.top, b.top]),
            None if a.sources is None or b.sources is None else a.sources.joined(b.sources),
        )

    def gathered(self) -> "NativeState":
        """The same rows, lying one after another."""
        if self.index is None:
            return self
        top = None if self.top is None else self.top.select(self.index)
        return NativeState(self.gathered_lower(), top, self.sources)

    def gathered_lower(self) -> RecurrentState:
        """Of the shared forward stack, the rows that are meant, one after another."""
        return self.lower if self.index is None else self.lower.select(self.index)
