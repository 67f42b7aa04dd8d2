"""What the compiled kernels are given, beside packed weights: rows, products that are known, and what may be copied."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .packing import ProductTable


@dataclass(frozen=True, slots=True)
class Copied:
    """What the rows of a head that also copies may copy.

    Attributes:
        gate: (rows, 1), the logit of the probability that a row writes by itself.
        sources: (rows,), addresses of the (length,) int64 ids of each row's source.
        lengths: (rows,).
        attention: (rows, at least the longest), of the sources.
        ids: what is at the addresses; held, so that it stays there.
    """

    gate: Tensor
    sources: Tensor
    lengths: Tensor
    attention: Tensor
    ids: Sequence[Tensor]

    def select(self, rows: Tensor) -> "Copied":
        """Rows (n,) in that order."""
        return Copied(self.gate[rows], self.sources[rows], self.lengths[rows], self.attention[rows], self.ids)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a matrix as an input: those that `index` (rows,) names, or all; times `scale`."""

    data: Tensor
    index: Tensor | None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """Products of a layer's input vectors: those that `index` names in a table."""

    table: ProductTable
    index: Tensor
