"""Next tokens by greedy choice or sampling, for rows that each have their own parameters."""

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .parameters import SamplingParameters, TokenScore

Candidate = tuple[int, float]
"""A token with its log-probability."""

Chosen = tuple[Tensor, Tensor]
"""The tokens (rows,) of some rows, and their log-probabilities (rows,)."""


class Sampler:
    """The sampling of one sequence: its parameters, its random numbers and what it has seen.

    Attributes:
        is_greedy: whether the likeliest token is always taken.
        draws: whether tokens are drawn by their scores as they are.
        max_tokens: as of the parameters.
        scores: one for each of `ids`, and after "stop" one for the end symbol too; None if they are not kept.
    """

    __slots__ = (
        "_prompt",
        "_random",
        "draws",
        "end_id",
        "finish_reason",
        "ids",
        "is_greedy",
        "max_tokens",
        "parameters",
        "scores",
    )

    num_rows = 1

    def __init__(self, parameters: SamplingParameters, prompt: Sequence[int], end_id: int) -> None:
        self.parameters = parameters
        self.end_id = end_id
        self.is_greedy = parameters.is_greedy
        self.draws = parameters.temperature > 0 and not parameters.changes_scores
        self.max_tokens = parameters.max_tokens
        self.ids = array("i")  # a fifth of what a list of numbers takes
        self.scores: list[TokenScore] | None = None if parameters.num_logprobs is None else []
        self.finish_reason: Literal["stop", "length"] | None = None
        self._prompt = prompt
        self._random: random.Random | None = None  # 2.5 KB, which greedy choice has no use for

    def penalise(self, scores: Tensor) -> None:
        """Change a row of scores (vocabulary,) in place for the tokens seen before and those with a bias."""
        parameters = self.parameters
        if not parameters.changes_scores:
            return
        written = Counter(self.ids)
        if parameters.repetition_penalty != 1 and (seen := list(written.keys() | self._prompt)):
            scores[seen] *= parameters.repetition_penalty
        if written:
            counts = torch.tensor(list(written.values()), dtype=scores.dtype)
            scores[list(written)] -= counts * parameters.frequency_penalty + parameters.presence_penalty
        if parameters.logit_bias:
            ids, biases = zip(*parameters.logit_bias, strict=True)
            scores[list(ids)] += torch.tensor(biases, dtype=scores.dtype)

    def uniform(self) -> float:
        """The next random number in [0, 1)."""
        if self._random is None:
            self._random = random.Random(self.parameters.seed)
        return self._random.random()

    def write(self, identifier: int) -> bool:
        """Write a token; whether it was the end symbol or the last allowed token."""
        if identifier == self.end_id:
            self.finish_reason = "stop"
            return True
        self.ids.append(identifier)
        if len(self.ids) == self.max_tokens:
            self.finish_reason = "length"
            return True
        return False

    def keep_score(self, identifier: int, log_probability: float, likeliest: Sequence[Candidate]) -> None:
        """Keep the score of a token that is written, if scores are kept; `likeliest` were in its place."""
        if self.scores is not None:
            most = self.parameters.num_logprobs
            self.scores.append(TokenScore(identifier, log_probability, tuple(likeliest[:most])))


def choose(log_probabilities: Tensor, samplers: Sequence[Sampler]) -> Chosen:
    """A token for each row, with its log-probability before temperature and filters.

    Args:
        log_probabilities: (rows, vocabulary).
        samplers: one a row.
    """
    scores = log_probabilities
    if any(sampler.parameters.changes_scores for sampler in samplers):
        scores = log_probabilities.clone()
        for row, sampler in enumerate(samplers):
            sampler.penalise(scores[row])
    chosen = scores.argmax(dim=-1)
    random_rows = [row for row, sampler in enumerate(samplers) if sampler.parameters.temperature > 0]
    if random_rows:
        chosen[random_rows] = _draw(scores[random_rows], [samplers[row] for row in random_rows])
    return chosen, log_probabilities.gather(1, chosen[:, None]).squeeze(1)


def _draw(scores: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Sample a token a row by inverting the cumulative distribution at the row's own random number."""
    parameters = [sampler.parameters for sampler in samplers]
    temperature = torch.tensor([p.temperature for p in parameters])[:, None]
    probabilities = (scores / temperature).softmax(dim=-1)
    size = probabilities.shape[-1]
    limit = max((p.top_k or size) for p in parameters)
    ordered, ids = probabilities.topk(min(limit, size), dim=-1)
    top_k = torch.tensor([p.top_k or size for p in parameters])[:, None]
    top_p = torch.tensor([p.top_p for p in parameters])[:, None]
    min_p = torch.tensor([p.min_p for p in parameters])[:, None]
    before = ordered.cumsum(dim=-1) - ordered
    keep = torch.arange(ordered.shape[-1])[None] < top_k
    kept = torch.where(keep, ordered, 0.0).sum(dim=-1, keepdim=True)
    keep &= (before < top_p * kept) & (ordered >= min_p * ordered[:, :1])
    keep[:, 0] = True
    kept_weights = torch.zeros_like(probabilities).scatter_(1, ids, torch.where(keep, ordered, 0.0))
    cumulative = kept_weights.cumsum(dim=-1)
    points = torch.tensor([[sampler.uniform()] for sampler in samplers]) * cumulative[:, -1:]
    position = torch.searchsorted(cumulative, points, right=True)
    last = (cumulative == cumulative[:, -1:]).to(torch.uint8).argmax(dim=-1, keepdim=True)
    return torch.minimum(position, last).squeeze(1)
