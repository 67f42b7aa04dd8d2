"""The shared backbone: token embedding, a forward stack and a separate backward stack.

The forward stack alone reads left to right and so is a language model and the lower layer of every decoder;
both stacks together are the encoder (an ELMo-style pair: Peters et al. 2018, arXiv:1802.05365). As a baseline, a
Transformer may be the encoder instead of both; then there is no backward stack.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from .cells import Cell, RecurrentStack, check_cell
from .state import RecurrentState
from .transformer import TransformerEncoder

Direction = Literal["forward", "backward"]
EncoderKind = Literal["recurrent", "transformer"]
ENCODERS: tuple[EncoderKind, ...] = get_args(EncoderKind)
_TRANSFORMER_SIZES = ("encoder_layers", "encoder_heads", "feedforward_size")


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Sizes of the backbone.

    Attributes:
        encoder: "recurrent", the two stacks, or "transformer", which is as wide as the embedding.
        encoder_layers, encoder_heads, feedforward_size: of a Transformer; 0 for the recurrent encoder.
        layer_norm: whether all recurrent layers are layer-normalised, those of the heads too. A Transformer is by
            itself.

    Raises:
        ValueError: a size is not positive, or the cell, the encoder or dropout is none that can be.
    """

    vocabulary_size: int
    cell: Cell = "lstm"
    embedding_size: int = 320
    hidden_size: int = 512
    num_layers: int = 1
    dropout: float = 0.25
    pad_id: int = 0
    encoder: EncoderKind = "recurrent"
    encoder_layers: int = 0
    encoder_heads: int = 0
    feedforward_size: int = 0
    layer_norm: bool = False

    def __post_init__(self) -> None:
        check_cell(self.cell)
        for name in ("vocabulary_size", "embedding_size", "hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")
        if not isinstance(self.layer_norm, bool):
            raise ValueError(f"layer_norm must be true or false, not {self.layer_norm!r}")
        self._check_encoder()

    def _check_encoder(self) -> None:
        sizes = {name: getattr(self, name) for name in _TRANSFORMER_SIZES}
        if self.encoder == "recurrent":
            if given := [name for name, size in sizes.items() if size]:
                raise ValueError(f"{', '.join(given)}: only with encoder = 'transformer'; this one is recurrent")
        elif self.encoder == "transformer":
            if missing := [name for name, size in sizes.items() if size < 1]:
                raise ValueError(f"a Transformer encoder needs {', '.join(missing)} of at least 1")
            if self.embedding_size % self.encoder_heads:
                raise ValueError(f"embedding_size {self.embedding_size} is no multiple of {self.encoder_heads} heads")
        else:
            raise ValueError(f"unknown encoder {self.encoder!r}; choose one of {', '.join(ENCODERS)}")

    @property
    def encoded_size(self) -> int:
        """Of the encoder's output at each position."""
        return 2 * self.hidden_size if self.encoder == "recurrent" else self.embedding_size


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded batch.

    Attributes:
        ids: (batch, time), padded.
        lengths: (batch,).
        outputs: (batch, time, encoded): of each position, the forward and backward states (2 * hidden), or what a
            Transformer says of it (embedding).
        mask: (batch, time), true where there is a token.
    """

    ids: Tensor
    lengths: Tensor
    outputs: Tensor
    mask: Tensor

    def row(self, number: int) -> "Encoded":
        """One of the batch, without padding, as a batch of one."""
        rows, length = slice(number, number + 1), int(self.lengths[number])
        return Encoded(
            self.ids[rows, :length], self.lengths[rows], self.outputs[rows, :length], self.mask[rows, :length]
        )


def length_mask(lengths: Tensor, time: int) -> Tensor:
    """(batch, time), true before each sequence's length."""
    return torch.arange(time, device=lengths.device)[None, :] < lengths[:, None]


def reversal_index(lengths: Tensor, time: int) -> Tensor:
    """(batch, time) positions that reverse each sequence within its length and leave its padding in place."""
    positions = torch.arange(time, device=lengths.device)[None, :]
    return torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)


class Backbone(nn.Module):
    """Embedding and the two stacks, or the forward stack and a Transformer."""

    backward_stack: RecurrentStack  # not with a Transformer: `stack` tells so

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        # The padding's vector is learned: it is also the blank that word dropout puts for a token.
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.forward_stack = self._new_stack()
        self.transformer: TransformerEncoder | None = None
        if config.encoder == "transformer":
            self.transformer = TransformerEncoder(
                config.embedding_size,
                config.encoder_layers,
                config.encoder_heads,
                config.feedforward_size,
                config.dropout,
            )
        else:
            self.backward_stack = self._new_stack()

    def _new_stack(self) -> RecurrentStack:
        own = self.config
        return RecurrentStack(
            own.cell, own.embedding_size, own.hidden_size, own.num_layers, own.dropout, layer_norm=own.layer_norm
        )

    @property
    def reads_in_parts(self) -> bool:
        """Whether a text can be encoded part by part; otherwise only as a whole."""
        return self.transformer is None

    def stack(self, direction: Direction) -> RecurrentStack:
        """The stack that reads in that direction.

        Raises:
            TypeError: it is the backward stack of a backbone whose encoder is a Transformer.
        """
        if direction == "forward":
            return self.forward_stack
        if self.transformer is not None:
            raise TypeError("a Transformer encoder has no backward stack: it sees a text as a whole, not in parts")
        return self.backward_stack

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
        reversed_outputs: Tensor = self.stack("backward")(self.embed(ids.gather(1, index)))[0]
        return reversed_outputs.gather(1, index[:, :, None].expand_as(reversed_outputs))

    def encode(self, ids: Tensor, lengths: Tensor) -> Encoded:
        """Read `ids` (batch, time) of `lengths` (batch,) as a whole."""
        mask = length_mask(lengths, ids.shape[1])
        if self.transformer is not None:
            return Encoded(ids, lengths, self.transformer(self.embed(ids), mask), mask)
        outputs = torch.cat([self.advance(ids)[0], self.read_backward(ids, lengths)], dim=-1)
        # (batch, time, 2 * hidden)
        return Encoded(ids, lengths, outputs, mask)
