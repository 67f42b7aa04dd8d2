"""Noise on what is read in training: a phase's, and a data set's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from ..backbone import Backbone, Encoded
from .sequences import IdArray

Resegment = Callable[[IdArray, numpy.random.Generator], IdArray]


@dataclass(frozen=True, slots=True)
class Noise:
    """Regularisation of the inputs in training.

    Attributes:
        word_dropout: share of the input tokens that are blanked (after Gal & Ghahramani 2016).
        low_precision: bfloat16 in the output layer.
    """

    word_dropout: float = 0.0
    low_precision: bool = False

    def drop(self, ids: Tensor, pad_id: int) -> Tensor:
        """Replace a share of `ids` by padding, the blank."""
        if self.word_dropout == 0:
            return ids
        return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.word_dropout, pad_id)


@dataclass(frozen=True, slots=True)
class Regularization:
    """What one data set needs beyond the model's own dropout; small sets need more.

    Attributes:
        word_dropout: instead of the phase's; None keeps that.
        dropout: of the encoder's outputs.
        resegment: draws other ids of the same text each time it is read; None keeps the likeliest.
        consistency: weight of the divergence between the predictions of two passes with noise of their own (R-Drop:
            Liang et al. 2021, arXiv:2106.14448); not for a language model, nor for a head that copies.
    """

    word_dropout: float | None = None
    dropout: float = 0.0
    resegment: Resegment | None = None
    consistency: float = 0.0

    def noise(self, noise: Noise) -> Noise:
        """The phase's noise with this set's own share of blanked inputs."""
        return noise if self.word_dropout is None else replace(noise, word_dropout=self.word_dropout)

    def read(self, texts: Sequence[IdArray], rng: numpy.random.Generator) -> list[IdArray]:
        """The texts of a batch in newly drawn ids."""
        if self.resegment is None:
            return list(texts)
        return [self.resegment(ids, rng) for ids in texts]

    def encode(self, backbone: Backbone, ids: Tensor, lengths: Tensor) -> Encoded:
        """The encoder's outputs with some of them dropped."""
        encoded = backbone.encode(ids, lengths)
        return replace(encoded, outputs=functional.dropout(encoded.outputs, self.dropout, self.dropout > 0))
