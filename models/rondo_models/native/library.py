"""Calls the compiled kernels with tensors.

All tensors are float32 or int64 and lie on the CPU; their last dimension is contiguous. Weights are packed as the
numbers of the kernels that are called. `parts` is in how many bfloat16 parts a float32 number goes into a product,
where it goes into one in parts: two keep 16 bits of it, one keeps 8.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from ..decoding.parameters import SamplingParameters
from .interface import (
    ARGUMENTS,
    SCREENING,
    copied_addresses,
    draw_array,
    input_array,
    matrix,
    screen_structure,
    table_structure,
    weights_structure,
)
from .operands import Copied, Known, Rows
from .packing import Numbers, PackedWeights


class Kernels:
    """The compiled functions of a library.

    Attributes:
        numbers: what weights are to be packed as.
        can_screen: whether `likeliest` is faster with weights that are there as bytes, too.
    """

    def __init__(self, library: ctypes.CDLL, numbers: Numbers) -> None:
        self.library = library
        self.numbers = numbers
        self.can_screen = all(hasattr(library, name) for name in SCREENING)
        for name, arguments in {**ARGUMENTS, **(SCREENING if self.can_screen else {})}.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = ctypes.c_int if name == "rondo_can_multiply" else None

    def _weights(self, weights: PackedWeights) -> ctypes.Structure:
        assert (weights.steps is not None) == (self.numbers == "int16")
        return weights_structure(weights)

    def linear(
        self, inputs: Sequence[Rows], weights: PackedWeights, num_rows: int, parts: int, *, tanh: bool = False
    ) -> Tensor:
        """(rows, columns): the inputs side by side times the weights, plus the bias; through tanh if asked."""
        out = torch.empty(num_rows, weights.num_columns)
        self.library.rondo_linear(
            input_array(inputs),
            len(inputs),
            num_rows,
            parts,
            self._weights(weights),
            tanh,
            out.data_ptr(),
            weights.num_columns,
        )
        return out

    def lstm_step(
        self,
        inputs: Sequence[Rows],
        cell: Rows,
        weights: PackedWeights,
        num_rows: int,
        parts: int,
        known: Known | None = None,
    ) -> tuple[Tensor, Tensor]:
        """New hidden and cell state, (rows, hidden) each.

        Args:
            inputs: the last is the hidden state before.
            known: the products of other inputs (rows,), which the weights have no part for.
        """
        size = cell.data.shape[-1]
        new_hidden, new_cell = torch.empty(num_rows, size), torch.empty(num_rows, size)
        self.library.rondo_lstm_step(
            input_array(inputs),
            len(inputs),
            num_rows,
            parts,
            self._weights(weights),
            None if known is None else table_structure(known.table),
            None if known is None else known.index.data_ptr(),
            size,
            cell.data.data_ptr(),
            None if cell.index is None else cell.index.data_ptr(),
            new_hidden.data_ptr(),
            new_cell.data_ptr(),
        )
        return new_hidden, new_cell

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
        """Run a layer over sequences of unlike length.

        Args:
            vectors: index (batch, time) says which row of the data is read where, or which row of a table of products;
                with these, the weights are those of the hidden state alone.
            lengths: (batch,).
            state: hidden and cell (batch, hidden) before; overwritten with those after each sequence's own end.
            out: (batch, time, at least hidden), whose first `hidden` numbers are overwritten; zero in the padding.
            backward: read from the end to the begin.
        """
        hidden, cell = state
        batch, time = out.shape[:2]
        assert vectors.index is not None
        assert vectors.index.is_contiguous()
        assert out.stride() == (time * out.stride(1), out.stride(1), 1)
        read = (None, 0, 1.0) if isinstance(vectors, Known) else matrix(vectors)
        self.library.rondo_lstm_sequence(
            *read,
            vectors.index.data_ptr(),
            lengths.data_ptr(),
            batch,
            time,
            parts,
            self._weights(weights),
            table_structure(vectors.table) if isinstance(vectors, Known) else None,
            hidden.shape[-1],
            backward,
            hidden.data_ptr(),
            cell.data_ptr(),
            out.data_ptr(),
            out.stride(1),
        )

    def attend(self, query: Tensor, sources: Tensor, lengths: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Each row's attention over its own source.

        Args:
            query: (rows, size).
            sources: (rows,), addresses of float32 (length, size).
            lengths: (rows,), at least 1 each.

        Returns:
            contexts (rows, size) and weights (rows, longest), zero beyond a source's length.
        """
        num_rows, size = query.shape
        contexts, weights = torch.empty(num_rows, size), torch.empty(num_rows, int(lengths.max()))
        self.library.rondo_attend(
            query.data_ptr(),
            num_rows,
            size,
            sources.data_ptr(),
            lengths.data_ptr(),
            scale,
            contexts.data_ptr(),
            weights.data_ptr(),
            weights.shape[1],
        )
        return contexts, weights

    def pool(
        self, states: Tensor, lengths: Tensor, size: int, query: Tensor | None, places: Sequence[int], num_places: int
    ) -> Tensor:
        """What a classifier pools of each text: an attention's sum, the maximum and the mean of its states.

        Args:
            states: (batch, time, at least size), of which the first `size` numbers count.
            lengths: (batch,), at least 1 each.
            query: (size,), of the attention; None if that is not wanted.
            places: where in the result each of the three goes, counted in `size`; negative if it is not wanted.
            num_places: how many are wanted.

        Returns:
            (batch, num_places * size)
        """
        batch, time, stride = states.shape
        out = torch.empty(batch, num_places * size)
        self.library.rondo_pool(
            states.data_ptr(),
            batch,
            time,
            stride,
            lengths.data_ptr(),
            size,
            None if query is None else query.data_ptr(),
            *(place * size for place in places),
            out.data_ptr(),
            out.shape[1],
        )
        return out

    def label_probabilities(
        self, logits: Tensor, ids: Tensor, lengths: Tensor, ngrams: Tensor | None, longest: int, *, once: bool
    ) -> Tensor:
        """Logits (batch, labels), with those of the texts' n-grams added, to probabilities in place.

        Args:
            ids: (batch, time).
            lengths: (batch,), at least 1 each.
            ngrams: (buckets, labels), the weights of hashed n-grams; None if there are none.
            longest: ids of an n-gram.
            once: what a text has in one bucket counts once.
        """
        self.library.rondo_label_probabilities(
            logits.data_ptr(),
            *logits.shape,
            ids.data_ptr(),
            ids.shape[1],
            lengths.data_ptr(),
            None if ngrams is None else ngrams.data_ptr(),
            0 if ngrams is None else len(ngrams),
            longest,
            once,
        )
        return logits

    def likeliest(
        self, inputs: Sequence[Rows], weights: PackedWeights, choosable: Tensor, count: int, num_rows: int, parts: int
    ) -> tuple[Tensor, Tensor]:
        """The `count` likeliest columns of each row, best first, and their log-probabilities among all columns.

        Args:
            choosable: (columns padded as the weights' are), 0, or minus infinity for one that must not be chosen.

        Returns:
            ids (rows, count) and log-probabilities (rows, count); minus infinity where there are no more to choose.
            With weights that are screened the log-probabilities of a row may all be off by the same hundredth.
        """
        ids = torch.empty(num_rows, count, dtype=torch.int64)
        scores = torch.empty(num_rows, count)
        self._choose_likeliest(inputs, weights, choosable, ids, scores, parts)
        return ids, scores

    def likeliest_ids(
        self, inputs: Sequence[Rows], weights: PackedWeights, choosable: Tensor, num_rows: int, parts: int
    ) -> Tensor:
        """The likeliest column of each row (rows,), as `likeliest` finds it, in less time."""
        ids = torch.empty(num_rows, 1, dtype=torch.int64)
        self._choose_likeliest(inputs, weights, choosable, ids, None, parts)
        return ids[:, 0]

    def _choose_likeliest(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        ids: Tensor,
        scores: Tensor | None,
        parts: int,
    ) -> None:
        num_rows, count = ids.shape
        multiplied = input_array(inputs), len(inputs), num_rows, parts, self._weights(weights)
        chosen = choosable.data_ptr(), count, ids.data_ptr(), None if scores is None else scores.data_ptr()
        if weights.screen is None:
            self.library.rondo_likeliest(*multiplied, *chosen)
        else:
            self.library.rondo_likeliest_screened(*multiplied, screen_structure(weights.screen), *chosen)

    def likeliest_copying(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        count: int,
        copied: Copied,
        parts: int,
    ) -> tuple[Tensor, Tensor]:
        """As `likeliest`, of a head that also copies."""
        num_rows = len(copied.lengths)
        ids = torch.empty(num_rows, count, dtype=torch.int64)
        scores = torch.empty(num_rows, count)
        extra = torch.zeros(weights.num_columns)
        self.library.rondo_likeliest_copying(
            input_array(inputs),
            len(inputs),
            num_rows,
            parts,
            self._weights(weights),
            choosable.data_ptr(),
            count,
            *copied_addresses(copied),
            extra.data_ptr(),
            ids.data_ptr(),
            scores.data_ptr(),
        )
        return ids, scores

    def table(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        num_rows: int,
        parts: int,
        copied: Copied | None = None,
    ) -> Tensor:
        """Log-probabilities (rows, columns) as `likeliest` says them, or `likeliest_copying` if there is something
        `copied`; minus infinity where `choosable` is.
        """
        out = torch.empty(num_rows, weights.num_columns)
        extra = torch.zeros(0 if copied is None else weights.num_columns)
        self.library.rondo_table(
            input_array(inputs),
            len(inputs),
            num_rows,
            parts,
            self._weights(weights),
            choosable.data_ptr(),
            *((None, None, None, None, 0) if copied is None else copied_addresses(copied)),
            extra.data_ptr(),
            out.data_ptr(),
        )
        return out

    def draw(
        self,
        inputs: Sequence[Rows],
        weights: PackedWeights,
        choosable: Tensor,
        draws: Sequence[tuple[SamplingParameters, float]],
        parts: int,
    ) -> tuple[Tensor, Tensor]:
        """A column of each row, by its sampling parameters (without penalties, at a temperature above 0) and its
        random number in [0, 1); and its log-probability before temperature and filters, (rows,) each.

        Args:
            choosable: as `likeliest` takes it.
        """
        num_rows = len(draws)
        ids, scores = torch.empty(num_rows, dtype=torch.int64), torch.empty(num_rows)
        own = draw_array(draws)
        self.library.rondo_draw(
            input_array(inputs),
            len(inputs),
            num_rows,
            parts,
            self._weights(weights),
            choosable.data_ptr(),
            own,
            ids.data_ptr(),
            scores.data_ptr(),
        )
        return ids, scores

    def draw_from(self, scores: Tensor, draws: Sequence[tuple[SamplingParameters, float]]) -> Tensor:
        """As `draw`, the columns (rows,) alone, from `scores` (rows, columns): minus infinity for what must not be."""
        num_rows = len(draws)
        ids, log_probabilities = torch.empty(num_rows, dtype=torch.int64), torch.empty(num_rows)
        own = draw_array(draws)
        self.library.rondo_draw_from(
            scores.data_ptr(), *scores.shape, own, ids.data_ptr(), log_probabilities.data_ptr()
        )
        return ids
