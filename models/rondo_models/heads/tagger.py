"""Tagger head: a label for each word of a text, whose words may be several pieces each.

What is known of a word is the forward state after its last piece beside the backward state before its first: each
stack has then read the whole word and all that is on its side. A private layer may read these words once more in both
directions. Which pieces make a word is not known here; whoever calls tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..backbone import Backbone, Encoded, reversal_index
from ..cells import RecurrentStack
from ..training.sequences import padded
from .shape import HeadShape


@dataclass(frozen=True, slots=True)
class TaggerConfig(HeadShape):
    """Shape of the head.

    Attributes:
        recurrent_size: of the private layer in each direction; 0 leaves it out.
        dropout: of what is known of each word, and of the hidden layer.
        label_weights: how much a word of each label counts in training; empty: all alike. One that counts more is
            chosen more often, as F1 wants it of the label that it is of.

    Raises:
        ValueError: fewer than two labels, a size that can't be, a share that is none, or weights that are not of the
            labels.
    """

    labels: tuple[str, ...]
    recurrent_size: int = 128
    hidden_size: int = 128
    dropout: float = 0.4
    label_weights: tuple[float, ...] = ()

    noise: ClassVar[tuple[str, ...]] = ("dropout", "label_weights")

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"a tagger needs at least two labels, all different, not {list(self.labels)}")
        if self.recurrent_size < 0 or self.hidden_size < 1:
            raise ValueError("recurrent_size must be at least 0 and hidden_size at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")
        if self.label_weights and (len(self.label_weights) != len(self.labels) or min(self.label_weights) <= 0):
            raise ValueError(f"label_weights must be above 0, one for each label, not {list(self.label_weights)}")


@dataclass(frozen=True, slots=True)
class WordPlaces:
    """Which pieces the words of a batch are.

    Attributes:
        firsts: (batch, words), the place of each word's first piece; 0 where there is no word.
        lasts: (batch, words), of its last piece.
        lengths: (batch,), the number of words.
    """

    firsts: Tensor
    lasts: Tensor
    lengths: Tensor

    @staticmethod
    def of(sizes: Sequence[Sequence[int] | NDArray[numpy.int32]]) -> "WordPlaces":
        """From the number of pieces of each word, of each text."""
        pieces, lengths = padded(sizes, 1)
        ends, _ = padded([numpy.cumsum(own) for own in sizes], 1)
        return WordPlaces(ends - pieces, ends - 1, lengths)


class TaggerHead(nn.Module):
    """Words from the encoder's states, a recurrent layer of both directions over them, one hidden layer, labels."""

    kind = "tagger"

    def __init__(self, backbone: Backbone, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        word_size = backbone.config.encoded_size
        self.ahead: RecurrentStack | None = None
        self.back: RecurrentStack | None = None
        if config.recurrent_size:
            cell, layer_norm = backbone.config.cell, backbone.config.layer_norm
            self.ahead, self.back = (
                RecurrentStack(cell, word_size, config.recurrent_size, 1, 0.0, layer_norm=layer_norm) for _ in range(2)
            )
            word_size += 2 * config.recurrent_size
        self.hidden = nn.Linear(word_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.labels))

    def words(self, encoded: Encoded, places: WordPlaces) -> Tensor:
        """(batch, words, encoded): one half of the numbers after a word's last piece, the other at its first."""
        half = encoded.outputs.shape[-1] // 2
        after = encoded.outputs[..., :half].gather(1, places.lasts[:, :, None].expand(-1, -1, half))
        rest = encoded.outputs.shape[-1] - half
        before = encoded.outputs[..., half:].gather(1, places.firsts[:, :, None].expand(-1, -1, rest))
        return torch.cat([after, before], dim=-1)

    def forward(self, encoded: Encoded, places: WordPlaces) -> Tensor:
        """Logits (batch, words, labels); where there is no word they mean nothing."""
        words = self._drop(self.words(encoded, places))
        if self.ahead is not None and self.back is not None:
            index = reversal_index(places.lengths, words.shape[1])
            ahead, _ = self.ahead(words)
            back, _ = self.back(_gathered(words, index))
            words = torch.cat([words, self._drop(torch.cat([ahead, _gathered(back, index)], dim=-1))], dim=-1)
        logits: Tensor = self.output(self._drop(torch.tanh(self.hidden(words)))).float()
        return logits

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)


def _gathered(values: Tensor, index: Tensor) -> Tensor:
    """(batch, time, size) at `index` (batch, time)."""
    return values.gather(1, index[:, :, None].expand_as(values))
