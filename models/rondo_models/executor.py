"""Who runs a model for inference: what the engine and the plain loops ask of it, and the plain PyTorch that is the
reference. `native` has one for processors with AVX2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, cast

import torch
from torch import Tensor

from .backbone import Direction, Encoded
from .config import Precision
from .decoding.lanes import Lane, LaneState, RowsState, Stepped
from .decoding.prompts import PromptState
from .decoding.scores import Scores, TableScores, forbid
from .heads.language_model import LanguageModelHead
from .heads.seq2seq import Memory
from .heads.tagger import WordPlaces
from .model import RondoModel
from .precision import reading_fast
from .state import RecurrentState


class Executor(Protocol):
    """Runs one model. Everything it returns is float32."""

    @property
    def gains_by_rough(self) -> bool:
        """Whether reading is faster where it may be `rough`."""

    @property
    def smallest_group(self) -> int:
        """Texts that are worth reading together though their lengths differ much; more need to be of like length."""

    @property
    def is_batch_invariant(self) -> bool:
        """Whether an answer is the same, bit for bit, whatever else is read and written with it."""

    def encode(self, ids: Tensor, lengths: Tensor, *, rough: bool) -> Encoded:
        """Read `ids` (batch, time) of `lengths` (batch,) in both directions; with less exact products if `rough`."""

    def read_part(
        self, direction: Direction, ids: Tensor, lengths: Tensor, state: RecurrentState, *, rough: bool
    ) -> tuple[Tensor, RecurrentState]:
        """Go on with one stack over `ids` (batch, time), which are in the order in which it reads.

        Returns:
            outputs (batch, time, hidden) and the state after the part, meaningful for the rows that are longest.
        """

    def read_prompts(self, head: str, ids: Tensor, lengths: Tensor, before: PromptState) -> PromptState:
        """Read more of several prompts, `ids` (batch, time) of `lengths` (batch,), with a language model."""

    def classify(self, head: str, encoded: Encoded) -> Tensor:
        """Probabilities (batch, labels) of a classifier's labels, for every row of `encoded`."""

    def tag(self, head: str, encoded: Encoded, sizes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Probabilities (words, labels) of a tagger's labels, for every row of `encoded`, with its words' `sizes`."""

    def begin(self, head: str, encoded: Encoded) -> RowsState:
        """The state before the first target symbol, for every row of `encoded`."""

    def read_whole(self, head: str, ids: Tensor, before: PromptState) -> tuple[Tensor, PromptState]:
        """Read more of one prompt, `ids` (1, time): what is known after each token (time, hidden), and the state."""

    def scores(self, head: str, hidden: Tensor) -> Scores:
        """What may follow, by what a language model knows (rows, hidden)."""

    def first_step(self, head: str, read: PromptState) -> Stepped:
        """What may follow prompts that have been read."""

    def step(self, lanes: Sequence[Lane]) -> list[Stepped]:
        """Read each row's last token and say what may come next."""


class TorchExecutor:
    """Plain PyTorch: the reference.

    Args:
        forbidden: ids that must never be written.
        precision: of reading texts; prompts are read and all is written in float32.
        avoidable: sets of ids that searches may avoid, by their names.
    """

    def __init__(
        self,
        model: RondoModel,
        forbidden: Sequence[int],
        precision: Precision = "float32",
        avoidable: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._model = model
        self._forbidden = torch.tensor(sorted(forbidden), dtype=torch.int64)
        self._precision = precision
        self._avoidable = {name: torch.tensor(sorted(ids)) for name, ids in (avoidable or {}).items()}

    smallest_group = 16  # below about so many rows a product costs the same whatever it holds (docs/log.md)

    @property
    def gains_by_rough(self) -> bool:
        """As `Executor`."""
        return self._precision == "mixed"

    @property
    def is_batch_invariant(self) -> bool:
        """As `Executor`: sums depend on the shape of a batch, so the last bits of a score do too."""
        return False

    def _reading(self, rough: bool) -> torch.autocast:
        return reading_fast(self._precision == "bfloat16" or (self._precision == "mixed" and rough))

    def encode(self, ids: Tensor, lengths: Tensor, *, rough: bool) -> Encoded:
        """As `Executor`."""
        with self._reading(rough):
            encoded = self._model.backbone.encode(ids, lengths)
        return replace(encoded, outputs=encoded.outputs.float())

    def read_part(
        self, direction: Direction, ids: Tensor, lengths: Tensor, state: RecurrentState, *, rough: bool
    ) -> tuple[Tensor, RecurrentState]:
        """As `Executor`."""
        backbone = self._model.backbone
        with self._reading(rough):
            outputs, after = backbone.stack(direction)(backbone.embed(ids), state)
        return outputs.float(), RecurrentState(tuple(tensor.float() for tensor in after.tensors))

    def read_prompts(self, head: str, ids: Tensor, lengths: Tensor, before: PromptState) -> PromptState:
        """As `Executor`."""
        outputs, lower = self._model.backbone.read_prompts(ids, lengths, before.lower)
        hidden, top = self._model.language_model(head).read_prompts(outputs, lengths, before.top)
        return PromptState(lower, top, hidden)

    def read_whole(self, head: str, ids: Tensor, before: PromptState) -> tuple[Tensor, PromptState]:
        """As `Executor`."""
        backbone = self._model.backbone
        outputs, lower = backbone.forward_stack(backbone.embed(ids), before.lower)
        hidden, top = self._model.language_model(head).read(outputs, before.top)
        return hidden[0], PromptState(lower, top, hidden[:, -1])

    def scores(self, head: str, hidden: Tensor) -> Scores:
        """As `Executor`."""
        logits = self._model.language_model(head).logits(self._model.backbone, hidden)
        return self._scores(logits.log_softmax(dim=-1))

    def classify(self, head: str, encoded: Encoded) -> Tensor:
        """As `Executor`."""
        logits: Tensor = self._model.classifier(head)(encoded)
        return logits.softmax(dim=-1)

    def tag(self, head: str, encoded: Encoded, sizes: Sequence[Sequence[int]]) -> list[Tensor]:
        """As `Executor`."""
        logits = self._model.tagger(head)(encoded, WordPlaces.of(sizes))  # (batch, words, labels)
        return [own[: len(words)].softmax(dim=-1) for own, words in zip(logits, sizes, strict=True)]

    def begin(self, head: str, encoded: Encoded) -> LaneState:
        """As `Executor`."""
        seq2seq = self._model.seq2seq(head)
        with self._reading(False):
            memory = _in_float32(seq2seq.read(encoded))
        lower = self._model.backbone.forward_stack.initial_state(len(encoded.lengths))
        return LaneState(lower, seq2seq.initial_state(memory), memory)

    def first_step(self, head: str, read: PromptState) -> Stepped:
        """As `Executor`."""
        return Stepped(self.scores(head, read.hidden), LaneState(read.lower, top=read.top))

    def step(self, lanes: Sequence[Lane]) -> list[Stepped]:
        """As `Executor`; the lanes' states are `LaneState`s."""
        backbone = self._model.backbone
        states = [cast("LaneState", lane.state) for lane in lanes]
        ids = torch.cat([lane.ids for lane in lanes])
        lower_state = RecurrentState.concat([state.lower for state in states])
        lower, lower_state = backbone.advance_one(ids, lower_state)  # (rows, hidden)
        results, begin = [], 0
        for lane, state in zip(lanes, states, strict=True):
            rows = slice(begin, begin + len(lane.ids))
            begin = rows.stop
            own_lower = RecurrentState(tuple(tensor[:, rows] for tensor in lower_state.tensors))
            head = self._model.head(lane.head)
            if isinstance(head, LanguageModelHead):
                hidden, top = head.read_one(lower[rows], state.top)
                log_probabilities = head.logits(backbone, hidden).log_softmax(dim=-1)
                results.append(Stepped(self._scores(log_probabilities), LaneState(own_lower, top=top)))
                continue
            seq2seq = self._model.seq2seq(lane.head)
            memory, decoder = state.memory, state.decoder
            assert memory is not None
            assert decoder is not None
            decoded, decoder = seq2seq.decode(lower[rows, None], memory, decoder)
            scores = self._scores(seq2seq.log_probabilities(backbone, decoded, memory))
            results.append(Stepped(scores, LaneState(own_lower, decoder, memory), decoded.alignment[:, 0]))
        return results

    def _scores(self, log_probabilities: Tensor) -> TableScores:
        return TableScores(forbid(log_probabilities, self._forbidden), self._avoidable)


def _in_float32(memory: Memory) -> Memory:
    values = memory.values.float()
    keys = values if memory.keys is memory.values else memory.keys.float()
    return replace(memory, keys=keys, values=values)
