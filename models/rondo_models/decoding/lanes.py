"""What runs: the rows of each head with their state, and what a step makes of them.

A lane holds the running rows of one head. A step takes the rows of all lanes through the shared forward stack in one
product; then each head adds what is its own. `rondo_models.executor` says who makes steps.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from ..heads.seq2seq import DecoderState, Memory
from ..state import RecurrentState
from .scores import Scores


class RowsState(Protocol):
    """State of the running rows of one head, in whatever form its executor keeps it."""

    @property
    def lower(self) -> RecurrentState:
        """Of the shared forward stack; complete after a step, before rows are selected."""

    @property
    def top(self) -> RecurrentState | None:
        """Of a language model's private layer, if it has one; complete as `lower` is."""

    @property
    def num_rows(self) -> int:
        """Number of running rows."""

    def select(self, rows: Tensor) -> Self:
        """Rows (n,) in that order."""

    def joined(self, other: Self) -> Self:
        """The rows of both, these first."""


@dataclass(frozen=True, slots=True)
class LaneState:
    """State of the running rows of one head, in plain PyTorch.

    Attributes:
        lower: of the shared forward stack.
        decoder, memory: of a decoder head.
        top: of a language model's private layer, if it has one.
    """

    lower: RecurrentState
    decoder: DecoderState | None = None
    memory: Memory | None = None
    top: RecurrentState | None = None

    @property
    def num_rows(self) -> int:
        """Number of running rows."""
        return self.lower.num_rows

    def select(self, rows: Tensor) -> "LaneState":
        """Rows (n,) in that order; the memory is cut to the longest source that is left."""
        if self.memory is None or self.decoder is None:
            return LaneState(self.lower.select(rows), top=None if self.top is None else self.top.select(rows))
        mask = self.memory.mask[rows]
        longest = int(mask.sum(dim=1).max()) if len(rows) else 0
        memory = Memory(
            self.memory.ids[rows, :longest],
            mask[:, :longest],
            self.memory.keys[rows, :longest],
            self.memory.values[rows, :longest],
        )
        return LaneState(self.lower.select(rows), _cut_coverage(self.decoder.select(rows), longest), memory)

    def joined(self, other: "LaneState") -> "LaneState":
        """The rows of both, these first; the shorter memories are padded."""
        lower = RecurrentState.concat([self.lower, other.lower])
        if self.memory is None or other.memory is None or self.decoder is None or other.decoder is None:
            known = [top for top in (self.top, other.top) if top is not None]
            return LaneState(lower, top=RecurrentState.concat(known) if known else None)
        a, b = self.memory, other.memory
        memory = Memory(
            _stack(a.ids, b.ids), _stack(a.mask, b.mask), _stack(a.keys, b.keys), _stack(a.values, b.values)
        )
        x, y = self.decoder, other.decoder
        decoder = DecoderState(
            RecurrentState.concat([x.top, y.top]),
            torch.cat([x.feed, y.feed]) if x.feed is not None and y.feed is not None else None,
            _stack(x.coverage, y.coverage) if x.coverage is not None and y.coverage is not None else None,
        )
        return LaneState(lower, decoder, memory)


def _cut_coverage(decoder: DecoderState, longest: int) -> DecoderState:
    if decoder.coverage is None:
        return decoder
    return DecoderState(decoder.top, decoder.feed, decoder.coverage[:, :longest])


def _stack(first: Tensor, second: Tensor) -> Tensor:
    """Concatenate rows (n, source, …) of unlike source length, padding with zeros."""
    longest = max(first.shape[1], second.shape[1])
    padded = [functional.pad(t, (0,) * (2 * (t.dim() - 2)) + (0, longest - t.shape[1])) for t in (first, second)]
    return torch.cat(padded)


@dataclass(frozen=True, slots=True)
class Lane:
    """Input of a step: the head, the last token of each row (rows,), and the rows' state."""

    head: str
    ids: Tensor
    state: RowsState


@dataclass(frozen=True, slots=True)
class Stepped:
    """Output of a step: what may come next, the state after it, (first) attention (rows, source) of a decoder head."""

    scores: Scores
    state: RowsState
    attention: Tensor | None = None
