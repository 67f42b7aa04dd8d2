"""Classifier head: pooled encoder states, and optionally a linear model over hashed n-grams beside them."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbone import Backbone, Encoded, length_mask
from .shape import HeadShape
from .words import PIECE_COLUMNS, words_of

Pooling = Literal["attention", "max", "mean"]
Reads = Literal["both", "forward"]
NgramUnit = Literal["piece", "word"]
POOLINGS: tuple[Pooling, ...] = ("attention", "max", "mean")


@dataclass(frozen=True, slots=True)
class ClassifierConfig(HeadShape):
    """Shape of the head.

    Attributes:
        reads: the states of both directions, or of the forward stack alone, so that growing text can be scored
            without reading it again (`running.py`).
        ngram_unit: whether n-grams are of the vocabulary's pieces or of words, whatever the case of their letters. As
            a word may be several pieces, its n-grams say what the encoder is not told by the pieces.
        each_ngram_once: what a text has several times says no more than what it has once (as in NB-SVM: Wang & Manning
            2012), so that a name that a long text is full of does not decide. What is in one bucket is one n-gram.
        label_smoothing: share of the probability that training spreads evenly over the labels.

    Raises:
        ValueError: fewer than two labels, an unknown pooling or direction, a negative count, or a share that is none.
    """

    labels: tuple[str, ...]
    poolings: tuple[Pooling, ...] = ("attention", "max", "mean")
    hidden_size: int = 256
    ngram_buckets: int = 0
    longest_ngram: int = 3
    dropout: float = 0.4
    reads: Reads = "both"
    label_smoothing: float = 0.0
    ngram_unit: NgramUnit = "piece"
    each_ngram_once: bool = False

    noise: ClassVar[tuple[str, ...]] = ("dropout", "label_smoothing")

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2:
            raise ValueError(f"a classifier needs at least two different labels, not {list(self.labels)}")
        unknown = set(self.poolings) - set(POOLINGS)
        if unknown or not self.poolings:
            raise ValueError(f"unknown poolings {sorted(unknown)}; choose among {', '.join(POOLINGS)}")
        if self.reads not in ("both", "forward"):
            raise ValueError(f"reads must be both or forward, not {self.reads!r}")
        if self.ngram_unit not in ("piece", "word"):
            raise ValueError(f"ngram_unit must be piece or word, not {self.ngram_unit!r}")
        if self.ngram_unit == "word" and self.reads == "forward":
            raise ValueError("n-grams of words are not for a head that reads forward: a growing text may end in a word")
        if self.each_ngram_once and self.reads == "forward":
            raise ValueError("each_ngram_once is not for a head that reads forward: it would have to keep all n-grams")
        if self.ngram_buckets < 0 or self.longest_ngram < 1 or self.hidden_size < 1:
            raise ValueError("ngram_buckets must be at least 0, longest_ngram and hidden_size at least 1")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")

    def can_start_from(self, other: "ClassifierConfig") -> bool:
        """Whether a head of this shape can be the same function as one of the other: it may have more buckets, a
        multiple of the other's, any n-grams if the other has none, and be trained with other noise. With each n-gram
        once it is the same function of texts that repeat none."""
        if other.ngram_buckets and (not self.ngram_buckets or self.ngram_buckets % other.ngram_buckets):
            return False
        ngrams = other if other.ngram_buckets else self
        return self == replace(
            other,
            ngram_buckets=self.ngram_buckets,
            longest_ngram=ngrams.longest_ngram,
            ngram_unit=ngrams.ngram_unit,
            dropout=self.dropout,
            label_smoothing=self.label_smoothing,
            each_ngram_once=self.each_ngram_once,
        )


def hashed_ngrams(ids: Tensor, lengths: Tensor, longest: int, num_buckets: int) -> tuple[Tensor, Tensor]:
    """Buckets of all n-grams of 1 to `longest` tokens.

    Args:
        ids: (batch, time).
        lengths: (batch,).

    Returns:
        buckets (batch, longest * time) and a mask of the same shape, true where an n-gram is.
    """
    time = ids.shape[1]
    hashes, masks = [], []
    rolling = torch.zeros_like(ids)
    for n in range(1, longest + 1):
        shifted = functional.pad(ids, (0, n - 1))[:, n - 1 : n - 1 + time]
        rolling = (rolling * 1_000_003 + shifted + 1) % 2_147_483_647
        hashes.append((rolling * 31 + n) % num_buckets)
        masks.append(length_mask(lengths - (n - 1), time))
    return torch.cat(hashes, dim=1), torch.cat(masks, dim=1)


def ngram_shares(buckets: Tensor, mask: Tensor, config: ClassifierConfig) -> Tensor:
    """How much each n-gram of `hashed_ngrams` counts, in its shape: 1, or together 1 for all in one bucket; 0 where
    none is."""
    if not config.each_ngram_once:
        return mask.float()
    ordered, order = buckets.masked_fill(~mask, -1).sort(dim=1)
    is_first = functional.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0), value=True)
    bucket = is_first.cumsum(dim=1) - 1  # (batch, n-grams), from 0 on in each text
    numbers = torch.zeros_like(bucket).scatter_add_(1, bucket, torch.ones_like(bucket))
    own = torch.empty_like(bucket).scatter_(1, order, numbers.gather(1, bucket))
    return mask / own


class ClassifierHead(nn.Module):
    """Masked attention, max and mean pooling over the encoder's states, one hidden layer, and a "wide" part
    (Cheng et al. 2016, arXiv:1606.07792): a linear model over hashed n-grams of pieces or words.
    """

    kind = "classifier"

    def __init__(self, backbone: Backbone, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        encoder_size = backbone.config.encoded_size if config.reads == "both" else backbone.config.hidden_size
        self.attention = nn.Linear(encoder_size, 1) if "attention" in config.poolings else None
        self.hidden = nn.Linear(len(config.poolings) * encoder_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.labels))
        self.ngrams: nn.Embedding | None = None
        if config.ngram_buckets:
            self.ngrams = nn.Embedding(config.ngram_buckets, len(config.labels))
            nn.init.zeros_(self.ngrams.weight)
        counts_words = config.ngram_buckets and config.ngram_unit == "word"
        self.pieces: Tensor | None
        self.register_buffer(
            "pieces", torch.zeros(backbone.config.vocabulary_size, PIECE_COLUMNS) if counts_words else None
        )

    def know_pieces(self, pieces: Tensor) -> None:
        """Keep what the head must know of the vocabulary (`words.py`), if it is anything; its weights contain it."""
        if self.pieces is not None:
            self.pieces.copy_(pieces)

    def start_from(self, other: "ClassifierHead") -> None:
        """Become the same function as a head that `config.can_start_from`.

        A hash modulo a multiple of n falls, modulo n, where the hash itself does: so the other's table is repeated.
        """
        weights = other.state_dict()
        if self.ngrams is not None:
            table = self.ngrams.weight.detach().zero_()
            if other.ngrams is not None:
                copies = self.config.ngram_buckets // other.config.ngram_buckets
                table = other.ngrams.weight.detach().repeat(copies, 1)
            weights["ngrams.weight"] = table
        if self.pieces is not None:
            weights.setdefault("pieces", self.pieces)
        self.load_state_dict(weights)

    def attention_scores(self, outputs: Tensor) -> Tensor:
        """(batch, time, encoder) → (batch, time), before the softmax."""
        assert self.attention is not None
        scores: Tensor = self.attention(outputs).squeeze(-1).float()
        return scores

    def _weights(self, pooling: Pooling, encoded: Encoded, outputs: Tensor) -> Tensor:
        """(batch, time) weights of a pooling that is a weighted sum."""
        if pooling == "attention":
            return self.attention_scores(outputs).masked_fill(~encoded.mask, -torch.inf).softmax(dim=1)
        return encoded.mask / encoded.lengths[:, None]

    def pool(self, encoded: Encoded) -> Tensor:
        """(batch, poolings * encoder), in the configured order."""
        outputs = encoded.outputs
        if self.config.reads == "forward":
            outputs = outputs[:, :, : outputs.shape[-1] // 2]
        summing = [pooling for pooling in self.config.poolings if pooling != "max"]
        pooled: dict[Pooling, Tensor] = {}
        if summing:
            weights = torch.stack([self._weights(pooling, encoded, outputs) for pooling in summing], dim=1).to(
                outputs.dtype
            )
            pooled.update(zip(summing, torch.bmm(weights, outputs).unbind(dim=1), strict=True))
        if "max" in self.config.poolings:
            lowest = torch.finfo(outputs.dtype).min
            pooled["max"] = outputs.masked_fill(~encoded.mask[:, :, None], lowest).amax(dim=1)
        return torch.cat([pooled[pooling] for pooling in self.config.poolings], dim=-1)

    def ngram_units(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What n-grams are made of, numbers (batch, time) and how many (batch,): the ids themselves, or words."""
        return (ids, lengths) if self.pieces is None else words_of(ids, lengths, self.pieces)[:2]

    def ngram_sums(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Summed weights (batch, labels) of the n-grams of `ids` (batch, time), and their number (batch, 1)."""
        config = self.config
        if self.ngrams is None:
            device = ids.device
            return torch.zeros(len(ids), len(config.labels), device=device), torch.ones(len(ids), 1, device=device)
        units = self.ngram_units(ids, lengths)
        buckets, mask = hashed_ngrams(*units, config.longest_ngram, config.ngram_buckets)
        weights: Tensor = self.ngrams(buckets) * ngram_shares(buckets, mask, config)[:, :, None]
        # weights: (batch, n-grams, labels)
        return weights.sum(dim=1), mask.sum(dim=1, keepdim=True)

    def logits(self, pooled: Tensor, ngram_sum: Tensor, num_ngrams: Tensor) -> Tensor:
        """Logits (batch, labels) from what all the pooling gave (batch, poolings * encoder) and the n-grams."""
        pooled = functional.dropout(pooled, self.config.dropout, self.training)
        hidden = functional.dropout(torch.tanh(self.hidden(pooled)), self.config.dropout, self.training)
        logits: Tensor = self.output(hidden).float() + ngram_sum / num_ngrams.sqrt()
        return logits

    def forward(self, encoded: Encoded) -> Tensor:
        """Logits (batch, labels)."""
        return self.logits(self.pool(encoded), *self.ngram_sums(encoded.ids, encoded.lengths))
