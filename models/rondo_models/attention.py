"""Attention of decoder states over encoded positions, with optional coverage."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Score = Literal["dot", "additive"]
SCORES: tuple[Score, ...] = ("dot", "additive")


class Attention(nn.Module):
    """Scaled dot-product (Luong et al. 2015, arXiv:1508.04025) or additive attention (Bahdanau et al. 2015,
    arXiv:1409.0473). With coverage, the attention that a position has got so far enters its score (See et al.
    2017, arXiv:1704.04368).
    """

    def __init__(self, score: Score, query_size: int, memory_size: int, *, coverage: bool) -> None:
        super().__init__()
        if score not in SCORES:
            raise ValueError(f"unknown attention {score!r}; choose one of {', '.join(SCORES)}")
        self.score = score
        self.query = nn.Linear(query_size, memory_size, bias=score == "additive")
        self.scale = 1 / math.sqrt(memory_size)
        self.energy = nn.Linear(memory_size, 1, bias=False) if score == "additive" else None
        self.key = nn.Linear(memory_size, memory_size, bias=False) if score == "additive" else None
        self.coverage_weight = nn.Parameter(torch.zeros(memory_size)) if coverage else None

    def keys(self, memory: Tensor) -> Tensor:
        """What scores are computed against, once a source: (batch, source, memory) → the same shape."""
        return memory if self.key is None else self.key(memory)

    def forward(
        self, queries: Tensor, keys: Tensor, memory: Tensor, mask: Tensor, coverage: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: (batch, target, query).
            keys: (batch, source, memory), from `keys`.
            memory: (batch, source, memory).
            mask: (batch, source), true where there is a token; each row must have one.
            coverage: (batch, source), the attention spent so far; only with one target position.

        Returns:
            contexts (batch, target, memory) and weights (batch, target, source).
        """
        projected = self.query(queries)  # (batch, target, memory)
        if self.energy is not None:
            hidden = keys[:, None] + projected[:, :, None]  # (batch, target, source, memory)
            if self.coverage_weight is not None and coverage is not None:
                hidden = hidden + coverage[:, None, :, None] * self.coverage_weight
            scores = self.energy(torch.tanh(hidden)).squeeze(-1)
        else:
            if self.coverage_weight is not None and coverage is not None:
                keys = keys + coverage[:, :, None] * self.coverage_weight
            scores = torch.bmm(projected, keys.transpose(1, 2)) * self.scale
        scores = scores.float().masked_fill(~mask[:, None, :], -torch.inf)  # (batch, target, source)
        weights = scores.softmax(dim=-1)
        return torch.bmm(weights.to(memory.dtype), memory), weights
