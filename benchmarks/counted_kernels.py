"""The compiled kernels, which also note what they multiply and how long they take.

Noting takes microseconds a call, where a call takes some hundred.
"""

import ctypes
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar
from unittest.mock import patch

from torch import Tensor

from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.native.library import Kernels
from rondo_models.native.loading import fastest_kernels
from rondo_models.native.operands import Copied, Known, Rows
from rondo_models.native.packing import Numbers, PackedWeights

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Product:
    """A product of a matrix (rows, depth) with weights (depth, columns).

    Attributes:
        parts, weight_parts: in how many bfloat16 parts a number of either goes into it.
    """

    rows: int
    depth: int
    columns: int
    parts: int
    weight_parts: int

    @property
    def num_multiplications(self) -> int:
        """Of numbers, whatever their parts."""
        return self.rows * self.depth * self.columns


Products = Counter[tuple[str, Product]]
"""How often each was made, by the name of the kernel that made it."""


def rows_by_step(lengths: Sequence[int]) -> Counter[int]:
    """How many steps have so many rows, where each row ends after its own length."""
    steps: Counter[int] = Counter()
    before = 0
    ordered = sorted(lengths)
    for number, length in enumerate(ordered):
        steps[len(ordered) - number] += length - before
        before = length
    return +steps


class CountedKernels(Kernels):
    """Kernels that count. Attention, pooling and drawing are no products of matrices: they only have their time noted.

    Attributes:
        seconds: by the name of the kernel.
    """

    def __init__(self, library: ctypes.CDLL, numbers: Numbers) -> None:
        super().__init__(library, numbers)
        self.seconds: dict[str, float] = defaultdict(float)
        self._products: Products = Counter()
        self._sequences: list[tuple[Product, Tensor]] = []

    def forget(self) -> None:
        """Begin anew."""
        self.seconds.clear()
        self._products.clear()
        self._sequences.clear()

    def products(self) -> Products:
        """All that were made, those of a sequence step by step."""
        whole = self._products.copy()
        for product, lengths in self._sequences:
            for rows, count in rows_by_step(lengths.tolist()).items():
                whole["lstm_sequence", replace(product, rows=rows)] += count
        return whole

    def _timed(self, name: str, call: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = call()
        self.seconds[name] += time.perf_counter() - began
        return result

    def _made(self, name: str, weights: PackedWeights, num_rows: int, parts: int, call: Callable[[], T]) -> T:
        self._products[name, _product(weights, num_rows, parts)] += 1
        return self._timed(name, call)

    def linear(
        self, inputs: Sequence[Rows], weights: PackedWeights, num_rows: int, parts: int, *, tanh: bool = False
    ) -> Tensor:
        """As `Kernels`."""
        call = super().linear
        return self._made("linear", weights, num_rows, parts, lambda: call(inputs, weights, num_rows, parts, tanh=tanh))

    def lstm_step(
        self,
        inputs: Sequence[Rows],
        cell: Rows,
        weights: PackedWeights,
        num_rows: int,
        parts: int,
        known: Known | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As `Kernels`."""
        call = super().lstm_step
        return self._made(
            "lstm_step", weights, num_rows, parts, lambda: call(inputs, cell, weights, num_rows, parts, known)
        )

    def lstm_sequence(
        self,
        vectors: Rows | Known,
        lengths: Tensor,
        state: tuple[Tensor, Tensor],
        weights: PackedWeights,
        out: Tensor,
        parts: int,
        *,
        backward: bool = False,
    ) -> None:
        """As `Kernels`."""
        call = super().lstm_sequence
        self._sequences.append((_product(weights, 0, parts), lengths))
        self._timed("lstm_sequence", lambda: call(vectors, lengths, state, weights, out, parts, backward=backward))

    def attend(self, query: Tensor, sources: Tensor, lengths: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """As `Kernels`."""
        call = super().attend
        return self._timed("attend", lambda: call(query, sources, lengths, scale))

    def pool(
        self, states: Tensor, lengths: Tensor, size: int, query: Tensor | None, places: Sequence[int], num_places: int
    ) -> Tensor:
        """As `Kernels`."""
        call = super().pool
        return self._timed("pool", lambda: call(states, lengths, size, query, places, num_places))

    def label_probabilities(
        self, logits: Tensor, ids: Tensor, lengths: Tensor, ngrams: Tensor | None, longest: int, *, once: bool
    ) -> Tensor:
        """As `Kernels`."""
        call = super().label_probabilities
        return self._timed("label_probabilities", lambda: call(logits, ids, lengths, ngrams, longest, once=once))

    def likeliest(
        self, inputs: Sequence[Rows], weights: PackedWeights, choosable: Tensor, count: int, num_rows: int, parts: int
    ) -> tuple[Tensor, Tensor]:
        """As `Kernels`."""
        call = super().likeliest
        return self._made(
            "likeliest", weights, num_rows, parts, lambda: call(inputs, weights, choosable, count, num_rows, parts)
        )

    def likeliest_ids(
        self, inputs: Sequence[Rows], weights: PackedWeights, choosable: Tensor, num_rows: int, parts: int
    ) -> Tensor:
        """As `Kernels`."""
        call = super().likeliest_ids
        return self._made(
            "likeliest_ids", weights, num_rows, parts, lambda: call(inputs, weights, choosable, num_rows, parts)
        )

    def likeliest_copying(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        count: int,
        copied: Copied,
        parts: int,
    ) -> tuple[Tensor, Tensor]:
        """As `Kernels`."""
        call = super().likeliest_copying
        return self._made(
            "likeliest_copying",
            weights,
            len(copied.lengths),
            parts,
            lambda: call(inputs, weights, choosable, count, copied, parts),
        )

    def table(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        num_rows: int,
        parts: int,
        copied: Copied | None = None,
    ) -> Tensor:
        """As `Kernels`."""
        call = super().table
        return self._made(
            "table", weights, num_rows, parts, lambda: call(inputs, weights, choosable, num_rows, parts, copied)
        )

    def draw(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        draws: Sequence[tuple[SamplingParameters, float]],
        parts: int,
    ) -> tuple[Tensor, Tensor]:
        """As `Kernels`."""
        call = super().draw
        return self._made("draw", weights, len(draws), parts, lambda: call(inputs, weights, choosable, draws, parts))

    def draw_from(self, scores: Tensor, draws: Sequence[tuple[SamplingParameters, float]]) -> Tensor:
        """As `Kernels`."""
        call = super().draw_from
        return self._timed("draw_from", lambda: call(scores, draws))


def _product(weights: PackedWeights, num_rows: int, parts: int) -> Product:
    return Product(num_rows, weights.depth, weights.num_columns, parts, 1 if weights.low is None else 2)


@contextmanager
def counted_kernels() -> Iterator[CountedKernels]:
    """Executors that are made within this context run on counting kernels.

    Raises:
        RuntimeError: the kernels were not built, or this processor can't run them.
    """
    if (loaded := fastest_kernels()) is None:
        raise RuntimeError("there are no compiled kernels for this processor")
    kernels = CountedKernels(loaded.library, loaded.numbers)
    with patch("rondo_models.native.executor.fastest_kernels", return_value=kernels):
        yield kernels
