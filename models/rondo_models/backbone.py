"""The shared backbone: token embedding, a forward stack and a separate backward stack.

The forward stack alone reads left to right and so is a language model and the lower layer of every decoder;
both stacks together are the encoder (an ELMo-style pair: Peters et al. 2018, arXiv:1802.05365).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .cells import Cell, RecurrentStack, check_cell
from .state import RecurrentState


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Sizes of the backbone.

    Raises:
        ValueError: a size is not positive, or the cell or dropout is none that can be.
    """

    vocabulary_size: int
    cell: Cell = "lstm"
    embedding_size: int = 320
    hidden_size: int = 512
    num_layers: int = 1
    dropout: float = 0.25
    pad_id: int = 0

    def __post_init__(self) -> None:
        check_cell(self.cell)
        for name in ("vocabulary_size", "embedding_size", "hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded batch.

    Attributes:
        ids: (batch, time), padded.
        lengths: (batch,).
        outputs: (batch, time, 2 * hidden): forward and backward states of each position.
        mask: (batch, time), true where there is a token.
    """

    ids: Tensor
    lengths: Tensor
    outputs: Tensor
    mask: Tensor


def length_mask(lengths: Tensor, time: int) -> Tensor:
    """(batch, time), true before each sequence's length."""
    return torch.arange(time, device=lengths.device)[None, :] < lengths[:, None]


def reversal_index(lengths: Tensor, time: int) -> Tensor:
    """(batch, time) positions that reverse each sequence within its length and leave its padding in place."""
    positions = torch.arange(time, device=lengths.device)[None, :]
    return torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)


class Backbone(nn.Module):
    """Embedding and the two stacks."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        # The padding's vector is learned: it is also the blank that word dropout puts for a token.
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.forward_stack = RecurrentStack(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers, config.dropout
        )
        self.backward_stack = RecurrentStack(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers, config.dropout
        )

    def embed(self, ids: Tensor) -> Tensor:
        """(…) ids → (…, embedding), scaled to unit variance, with dropout in training."""
        vectors = self.embedding(ids) * self.config.embedding_size**0.5
        return functional.dropout(vectors, self.config.dropout, self.training)

    def advance(self, ids: Tensor, state: RecurrentState | None = None) -> tuple[Tensor, RecurrentState]:
        """Read `ids` (batch, time) left to right: outputs (batch, time, hidden) and the state after them.

        Padding is read like any token, so the state is meaningful only where all rows are equally long.
        """
        result: tuple[Tensor, RecurrentState] = self.forward_stack(self.embed(ids), state)
        return result

    def advance_one(self, ids: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Read one more token of each row: `ids` (batch,) → outputs (batch, hidden) and the new state."""
        return self.forward_stack.step(self.embed(ids), state)

    def read_prompts(
        self, ids: Tensor, lengths: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Read prompts (batch, time) of unlike length left to right, going on from `state` if there is one.

        Returns:
            outputs (batch, time, hidden), and the state after each prompt's own last token.
        """
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(ids), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return self.forward_stack.forward_packed(packed, state)

    def read_backward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Outputs (batch, time, hidden) of the backward stack, at each token's own position."""
        index = reversal_index(lengths, ids.shape[1])
        reversed_outputs: Tensor = self.backward_stack(self.embed(ids.gather(1, index)))[0]
        return reversed_outputs.gather(1, index[:, :, None].expand_as(reversed_outputs))

    def encode(self, ids: Tensor, lengths: Tensor) -> Encoded:
        """Read `ids` (batch, time) of `lengths` (batch,) in both directions."""
        outputs = torch.cat([self.advance(ids)[0], self.read_backward(ids, lengths)], dim=-1)
        # (batch, time, 2 * hidden)
        return Encoded(ids, lengths, outputs, length_mask(lengths, ids.shape[1]))
