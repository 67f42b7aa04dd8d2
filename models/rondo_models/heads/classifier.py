"""Classifier head: pooled encoder states, and optionally a linear model over hashed n-grams beside them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbone import Backbone, Encoded, length_mask

Pooling = Literal["attention", "max", "mean"]
POOLINGS: tuple[Pooling, ...] = ("attention", "max", "mean")


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """Shape of the head.

    Raises:
        ValueError: fewer than two labels, an unknown pooling, or a negative count.
    """

    labels: tuple[str, ...]
    poolings: tuple[Pooling, ...] = ("attention", "max", "mean")
    hidden_size: int = 256
    ngram_buckets: int = 0
    longest_ngram: int = 3
    dropout: float = 0.4

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2:
            raise ValueError(f"a classifier needs at least two different labels, not {list(self.labels)}")
        unknown = set(self.poolings) - set(POOLINGS)
        if unknown or not self.poolings:
            raise ValueError(f"unknown poolings {sorted(unknown)}; choose among {', '.join(POOLINGS)}")
        if self.ngram_buckets < 0 or self.longest_ngram < 1:
            raise ValueError("ngram_buckets must be at least 0 and longest_ngram at least 1")


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


class ClassifierHead(nn.Module):
    """Masked attention, max and mean pooling over the encoder's states, one hidden layer, and a "wide" part
    (Cheng et al. 2016, arXiv:1606.07792): a linear model over hashed token n-grams.
    """

    kind = "classifier"

    def __init__(self, backbone: Backbone, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        encoder_size = 2 * backbone.config.hidden_size
        self.attention = nn.Linear(encoder_size, 1) if "attention" in config.poolings else None
        self.hidden = nn.Linear(len(config.poolings) * encoder_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.labels))
        self.ngrams: nn.Embedding | None = None
        if config.ngram_buckets:
            self.ngrams = nn.Embedding(config.ngram_buckets, len(config.labels))
            nn.init.zeros_(self.ngrams.weight)

    def _weights(self, pooling: Pooling, encoded: Encoded) -> Tensor:
        """(batch, time) weights of a pooling that is a weighted sum."""
        if pooling == "attention":
            assert self.attention is not None
            scores: Tensor = self.attention(encoded.outputs).squeeze(-1).float()
            return scores.masked_fill(~encoded.mask, -torch.inf).softmax(dim=1)
        return encoded.mask / encoded.lengths[:, None]

    def _pool(self, encoded: Encoded) -> Tensor:
        """(batch, poolings * encoder), in the configured order."""
        outputs = encoded.outputs
        summing = [pooling for pooling in self.config.poolings if pooling != "max"]
        pooled: dict[Pooling, Tensor] = {}
        if summing:
            weights = torch.stack([self._weights(pooling, encoded) for pooling in summing], dim=1).to(outputs.dtype)
            pooled.update(zip(summing, torch.bmm(weights, outputs).unbind(dim=1), strict=True))
        if "max" in self.config.poolings:
            lowest = torch.finfo(outputs.dtype).min
            pooled["max"] = outputs.masked_fill(~encoded.mask[:, :, None], lowest).amax(dim=1)
        return torch.cat([pooled[pooling] for pooling in self.config.poolings], dim=-1)

    def _wide(self, encoded: Encoded) -> Tensor | float:
        if self.ngrams is None:
            return 0.0
        config = self.config
        buckets, mask = hashed_ngrams(encoded.ids, encoded.lengths, config.longest_ngram, config.ngram_buckets)
        weights: Tensor = self.ngrams(buckets) * mask[:, :, None]  # (batch, n-grams, labels)
        return weights.sum(dim=1) / mask.sum(dim=1, keepdim=True).sqrt()

    def forward(self, encoded: Encoded) -> Tensor:
        """Logits (batch, labels)."""
        pooled = functional.dropout(self._pool(encoded), self.config.dropout, self.training)
        hidden = functional.dropout(torch.tanh(self.hidden(pooled)), self.config.dropout, self.training)
        logits: Tensor = self.output(hidden).float() + self._wide(encoded)
        return logits
