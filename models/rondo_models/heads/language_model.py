"""Language model head: forward states → next-token features; output weights are the embedding (tied)."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from ..backbone import Backbone
from ..cells import RecurrentStack
from ..state import RecurrentState
from .shape import HeadShape


@dataclass(frozen=True, slots=True)
class LanguageModelConfig(HeadShape):
    """Shape of the head.

    Attributes:
        top_layer: a private recurrent layer over the forward stack, added to what is below it.
    """

    top_layer: bool = False
    dropout: float = 0.25


class LanguageModelHead(nn.Module):
    """An optional private top layer, and a projection to the embedding's space.

    The backward projection is used in training only: it makes the backward stack a language model too.
    """

    kind = "language_model"

    def __init__(self, backbone: Backbone, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        size = backbone.config
        self.top: RecurrentStack | None = None
        if config.top_layer:
            self.top = RecurrentStack(size.cell, size.hidden_size, size.hidden_size, 1, 0.0, layer_norm=size.layer_norm)
        self.projection = nn.Linear(size.hidden_size, size.embedding_size)
        self.backward_projection = nn.Linear(size.hidden_size, size.embedding_size)
        self.output_bias = nn.Parameter(nn.init.zeros_(self.projection.weight.new_empty(size.vocabulary_size)))

    def initial_state(self, num_rows: int) -> RecurrentState | None:
        """The top layer's zero state; None without one."""
        return None if self.top is None else self.top.initial_state(num_rows)

    def read(self, lower: Tensor, state: RecurrentState | None) -> tuple[Tensor, RecurrentState | None]:
        """Run the top layer over (batch, time, hidden) forward states, going on from `state`."""
        lower = self._drop(lower)
        if self.top is None:
            return lower, None
        upper, state = self.top(lower, state)
        return lower + upper, state

    def read_one(self, lower: Tensor, state: RecurrentState | None) -> tuple[Tensor, RecurrentState | None]:
        """One step of `read`: (batch, hidden)."""
        if self.top is None or state is None:
            return lower, None
        upper, state = self.top.step(lower, state)
        return lower + upper, state

    def read_prompts(
        self, lower: Tensor, lengths: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState | None]:
        """Read prompts of unlike length from `state`, or a zero state: (batch, time, hidden) → (batch, hidden) after
        each prompt's last token, and the top layer's state there."""
        last = (lengths - 1)[:, None, None].expand(-1, 1, lower.shape[-1])
        final = lower.gather(1, last).squeeze(1)
        if self.top is None:
            return final, None
        packed = pack_padded_sequence(lower, lengths.cpu(), batch_first=True, enforce_sorted=False)
        upper, state = self.top.forward_packed(packed, state)
        return final + upper.gather(1, last).squeeze(1), state

    def features(self, hidden: Tensor) -> Tensor:
        """(…, hidden) from `read` → (…, embedding)."""
        return self._drop(self.projection(self._drop(hidden)))

    def backward_features(self, lower: Tensor) -> Tensor:
        """(…, hidden) states of the backward stack → (…, embedding)."""
        return self._drop(self.backward_projection(self._drop(lower)))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)

    def logits(self, backbone: Backbone, hidden: Tensor) -> Tensor:
        """(rows, hidden) from `read` → (rows, vocabulary) next-token logits."""
        return functional.linear(self.features(hidden), backbone.embedding.weight, self.output_bias)
