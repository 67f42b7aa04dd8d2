"""Attentional decoder head: the backbone's forward stack reads the target so far, the head attends and writes.

The lower decoder layer is the shared forward stack, so its step is one matrix product for all running sequences
of all services. The private top layer sees the lower state and the attended source. Without input feeding and
coverage the top layer does not wait for its own attention, and teacher-forced training runs over all target
positions at once (as in GNMT: Wu et al. 2016, arXiv:1609.08144). A second attention may then ask with the top layer's
state, which, unlike the lower one, knows what was attended to before.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..attention import Attention, Score
from ..backbone import Backbone, Encoded
from ..cells import RecurrentStack
from ..state import RecurrentState
from .shape import HeadShape


@dataclass(frozen=True, slots=True)
class Seq2SeqConfig(HeadShape):
    """Shape of the decoder head.

    Raises:
        ValueError: a size is not positive.
    """

    hidden_size: int = 512
    attention: Score = "dot"
    attend_twice: bool = False
    input_feeding: bool = False
    coverage: bool = False
    coverage_weight: float = 1.0
    copy: bool = False
    dropout: float = 0.25
    label_smoothing: float = 0.1

    noise: ClassVar[tuple[str, ...]] = ("dropout", "label_smoothing")

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, not {self.hidden_size}")

    @property
    def sequential(self) -> bool:
        """Whether a target position depends on the attention of the one before."""
        return self.input_feeding or self.coverage


@dataclass(frozen=True, slots=True)
class Memory:
    """An encoded source as the decoder sees it.

    Attributes:
        ids: (batch, source).
        mask: (batch, source).
        keys: (batch, source, hidden).
        values: (batch, source, hidden).
    """

    ids: Tensor
    mask: Tensor
    keys: Tensor
    values: Tensor


@dataclass(frozen=True, slots=True)
class DecoderState:
    """The head's own state of running sequences.

    Attributes:
        top: state of the private layer.
        feed: (batch, embedding), the last features, with input feeding.
        coverage: (batch, source), the attention spent so far, with coverage.
    """

    top: RecurrentState
    feed: Tensor | None
    coverage: Tensor | None

    def select(self, rows: Tensor) -> "DecoderState":
        """The state of `rows` (n,), in that order."""
        return DecoderState(
            self.top.select(rows),
            None if self.feed is None else self.feed[rows],
            None if self.coverage is None else self.coverage[rows],
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder says at each target position.

    Attributes:
        features: (batch, target, embedding), to be multiplied with the embedding.
        attention: (batch, target, source), of the last attention, which the copy gate copies by.
        alignment: (batch, target, source), of the first attention, which knows better than a second one where a
            target token comes from (docs/log.md).
        generate: (batch, target), the share of the probability that is generated, not copied; None without copy.
        coverage_loss: (batch, target) or None.
    """

    features: Tensor
    attention: Tensor
    alignment: Tensor
    generate: Tensor | None
    coverage_loss: Tensor | None


class Seq2SeqHead(nn.Module):
    """Attention, private top layer, output features and copy gate (See et al. 2017, arXiv:1704.04368)."""

    kind = "seq2seq"

    def __init__(self, backbone: Backbone, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        size = backbone.config
        hidden = config.hidden_size
        fed = size.embedding_size if config.input_feeding else 0
        self.memory = nn.Linear(size.encoded_size, hidden)
        self.attention = Attention(config.attention, size.hidden_size + fed, hidden, coverage=config.coverage)
        self.top = RecurrentStack(size.cell, size.hidden_size + hidden, hidden, 1, 0.0, layer_norm=size.layer_norm)
        self.second_attention = Attention("dot", hidden, hidden, coverage=False) if config.attend_twice else None
        seen = (3 if config.attend_twice else 2) * hidden
        self.combine = nn.Linear(seen, size.embedding_size)
        self.copy_gate = nn.Linear(seen, 1) if config.copy else None
        self.output_bias = nn.Parameter(torch.zeros(size.vocabulary_size))
        self.embedding_size = size.embedding_size

    def read(self, encoded: Encoded) -> Memory:
        """Project an encoded source once."""
        values = self.memory(encoded.outputs)
        return Memory(encoded.ids, encoded.mask, self.attention.keys(values), values)

    def initial_state(self, memory: Memory) -> DecoderState:
        """The state before the first target symbol."""
        batch, source = memory.ids.shape
        values = memory.values
        return DecoderState(
            self.top.initial_state(batch),
            values.new_zeros(batch, self.embedding_size) if self.config.input_feeding else None,
            values.new_zeros(batch, source, dtype=torch.float32) if self.config.coverage else None,
        )

    def decode(self, lower: Tensor, memory: Memory, state: DecoderState) -> tuple[Decoded, DecoderState]:
        """Go on from `state` over the forward stack's outputs `lower` (batch, target, hidden)."""
        if not self.config.sequential or lower.shape[1] == 1:
            return self._decode_at_once(lower, memory, state)
        parts = []
        for position in range(lower.shape[1]):
            part, state = self._decode_at_once(lower[:, position : position + 1], memory, state)
            parts.append(part)
        return _joined(parts), state

    def _decode_at_once(self, lower: Tensor, memory: Memory, state: DecoderState) -> tuple[Decoded, DecoderState]:
        lower = functional.dropout(lower, self.config.dropout, self.training)
        queries = lower if state.feed is None else torch.cat([lower, state.feed[:, None]], dim=-1)
        contexts, weights = self.attention(queries, memory.keys, memory.values, memory.mask, state.coverage)
        inputs = torch.cat([lower, contexts.to(lower.dtype)], dim=-1)
        if lower.shape[1] == 1 and not self.training:
            step, top_state = self.top.step(inputs[:, 0], state.top)
            top = step[:, None]
        else:
            top, top_state = self.top(inputs, state.top)
        top = functional.dropout(top, self.config.dropout, self.training)
        attended, first_weights = [top, contexts.to(top.dtype)], weights
        if self.second_attention is not None:
            again, weights = self.second_attention(top, memory.values, memory.values, memory.mask)
            attended.append(again.to(top.dtype))
        seen = torch.cat(attended, dim=-1)  # (batch, target, 2 or 3 * hidden)
        features = torch.tanh(self.combine(seen))
        generate = None if self.copy_gate is None else torch.sigmoid(self.copy_gate(seen).float()).squeeze(-1)
        state = replace(state, top=top_state)
        coverage_loss = None
        if state.feed is not None:
            state = replace(state, feed=features[:, -1])
        if state.coverage is not None:
            coverage_loss = torch.minimum(first_weights, state.coverage[:, None]).sum(dim=-1)
            state = replace(state, coverage=state.coverage + first_weights[:, -1])
        features = functional.dropout(features, self.config.dropout, self.training)
        return Decoded(features, weights, first_weights, generate, coverage_loss), state

    def log_probabilities(self, backbone: Backbone, decoded: Decoded, memory: Memory) -> Tensor:
        """(batch, vocabulary) log-probabilities after the last decoded position."""
        logits = functional.linear(decoded.features[:, -1], backbone.embedding.weight, self.output_bias)
        if decoded.generate is None:
            return logits.float().log_softmax(dim=-1)
        share = decoded.generate[:, -1, None]
        probabilities = logits.float().softmax(dim=-1) * share
        copied = decoded.attention[:, -1] * (1 - share) * memory.mask
        return probabilities.scatter_add(1, memory.ids, copied).clamp_min(1e-30).log()


def _joined(parts: list[Decoded]) -> Decoded:
    def column(name: str) -> Tensor | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat(values, dim=1)

    features, attention, alignment = column("features"), column("attention"), column("alignment")
    assert features is not None
    assert attention is not None
    assert alignment is not None
    return Decoded(features, attention, alignment, column("generate"), column("coverage_loss"))


def copy_probability(decoded: Decoded, memory: Memory, targets: Tensor) -> Tensor:
    """(batch, target) attention that falls on source positions which hold the target token."""
    same = (memory.ids[:, None] == targets[:, :, None]) & memory.mask[:, None]
    return (decoded.attention * same).sum(dim=-1)
