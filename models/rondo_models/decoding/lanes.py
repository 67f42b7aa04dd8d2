"""One decoding step for running sequences of several heads at once.

A lane holds the running rows of one head. All lanes' rows go through the shared forward stack in one product;
then each head adds what is its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..heads.language_model import LanguageModelHead
from ..heads.seq2seq import DecoderState, Memory
from ..model import RondoModel
from ..state import RecurrentState


@dataclass(frozen=True, slots=True)
class LaneState:
    """State of the running rows of one head.

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

    @staticmethod
    def concat(first: "LaneState", second: "LaneState") -> "LaneState":
        """The rows of both, `first` before `second`; the shorter memories are padded."""
        lower = RecurrentState.concat([first.lower, second.lower])
        if first.memory is None or second.memory is None or first.decoder is None or second.decoder is None:
            tops = [first.top, second.top]
            known = [top for top in tops if top is not None]
            return LaneState(lower, top=RecurrentState.concat(known) if known else None)
        a, b = first.memory, second.memory
        memory = Memory(
            _stack(a.ids, b.ids), _stack(a.mask, b.mask), _stack(a.keys, b.keys), _stack(a.values, b.values)
        )
        x, y = first.decoder, second.decoder
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
    state: LaneState


@dataclass(frozen=True, slots=True)
class Stepped:
    """Output of a step: log-probabilities (rows, vocabulary), the state after it, attention (rows, source)."""

    log_probabilities: Tensor
    state: LaneState
    attention: Tensor | None


def start_seq2seq(model: RondoModel, head: str, memory: Memory) -> LaneState:
    """The state before the first target symbol."""
    rows = memory.ids.shape[0]
    decoder = model.seq2seq(head).initial_state(memory)
    return LaneState(model.backbone.forward_stack.initial_state(rows), decoder, memory)


def step(model: RondoModel, lanes: Sequence[Lane]) -> list[Stepped]:
    """Read each row's last token and say what may come next."""
    backbone = model.backbone
    ids = torch.cat([lane.ids for lane in lanes])
    lower_state = RecurrentState.concat([lane.state.lower for lane in lanes])
    lower, lower_state = backbone.advance_one(ids, lower_state)  # (rows, hidden)
    results, begin = [], 0
    for lane in lanes:
        rows = slice(begin, begin + len(lane.ids))
        begin = rows.stop
        own_lower = RecurrentState(tuple(tensor[:, rows] for tensor in lower_state.tensors))
        head = model.head(lane.head)
        if isinstance(head, LanguageModelHead):
            hidden, top = head.read_one(lower[rows], lane.state.top)
            log_probabilities = head.logits(backbone, hidden).float().log_softmax(dim=-1)
            results.append(Stepped(log_probabilities, LaneState(own_lower, top=top), None))
            continue
        seq2seq = model.seq2seq(lane.head)
        memory, decoder = lane.state.memory, lane.state.decoder
        assert memory is not None
        assert decoder is not None
        decoded, decoder = seq2seq.decode(lower[rows, None], memory, decoder)
        results.append(
            Stepped(
                seq2seq.log_probabilities(backbone, decoded, memory),
                LaneState(own_lower, decoder, memory),
                decoded.attention[:, 0],
            )
        )
    return results
