"""Beam search for one sequence, as a state machine that is handed candidates step by step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .parameters import BeamParameters, Hypothesis
from .sampling import Candidate

_IMPOSSIBLE = -1e9
"""Log-probabilities from here down are of forbidden tokens."""


@dataclass(slots=True)
class _Running:
    ids: tuple[int, ...]
    log_probability: float


class BeamSearch:
    """The running and finished hypotheses of one sequence. Its rows are its running hypotheses, best first."""

    def __init__(self, parameters: BeamParameters, end_id: int) -> None:
        self.parameters = parameters
        self.end_id = end_id
        self.running = [_Running((), 0.0)]
        self.finished: list[Hypothesis] = []
        self._attention: Tensor | None = None  # (rows, source), the attention spent so far

    @property
    def num_rows(self) -> int:
        """Running hypotheses."""
        return len(self.running)

    @property
    def num_candidates(self) -> int:
        """How many of the likeliest next tokens of each row `advance` needs, those that it may not take counted."""
        wanted = 2 * self.parameters.beam_size if self.parameters.beam_size > 1 else 1
        if not self.parameters.no_repeat_ngram:
            return wanted
        return wanted + max((len(self._repeats(hypothesis)) for hypothesis in self.running), default=0)

    @property
    def done(self) -> bool:
        """Whether nothing is running any more."""
        return not self.running

    def observe(self, attention: Tensor) -> None:
        """Add the attention (rows, source) of the step that was just made; only for the coverage penalty.

        A batch is as wide as its longest source, and so may change its width; beyond this search's own source there
        is no attention, so the narrower width holds all of it.
        """
        if not self.parameters.coverage_penalty:
            return
        if self._attention is None:
            self._attention = attention
        else:
            width = min(self._attention.shape[1], attention.shape[1])
            self._attention = self._attention[:, :width] + attention[:, :width]

    def _score(self, row: int, log_probability: float, length: int) -> float:
        score: float = log_probability / ((5 + length) / 6) ** self.parameters.length_penalty
        if self._attention is not None:
            spent = self._attention[row]
            covered = spent[spent > 0].clamp(max=1.0).log().sum()
            score += self.parameters.coverage_penalty * float(covered)
        return score

    def advance(self, candidates: Sequence[Sequence[Candidate]]) -> tuple[list[int], list[int]]:
        """Extend the hypotheses.

        Args:
            candidates: for each row its `num_candidates` likeliest next tokens with their log-probabilities, best
                first.

        Returns:
            for each hypothesis that runs on, the row that it extends and its new token.
        """
        if self.parameters.no_repeat_ngram:
            candidates = list(map(self._without_repeats, candidates, self.running))
        if self.parameters.beam_size == 1:
            return self._advance_greedily(candidates[0])
        size = self.parameters.beam_size
        extended = sorted(
            (
                (self.running[row].log_probability + log_probability, row, identifier)
                for row, options in enumerate(candidates)
                for identifier, log_probability in options
                if log_probability > _IMPOSSIBLE
            ),
            key=lambda option: -option[0],
        )[: 2 * size]
        parents: list[int] = []
        ids: list[int] = []
        running: list[_Running] = []
        for rank, (log_probability, row, identifier) in enumerate(extended):
            written = self.running[row].ids
            if identifier == self.end_id:
                if rank < size:
                    self._finish(row, written, log_probability, len(written) + 1, "stop")
            elif len(written) + 1 == self.parameters.max_tokens:
                if rank < size:
                    self._finish(row, (*written, identifier), log_probability, len(written) + 1, "length")
            elif len(running) < size:
                parents.append(row)
                ids.append(identifier)
                running.append(_Running((*written, identifier), log_probability))
        if not running or self._nothing_better(running):
            parents, ids, running = [], [], []
        self.running = running
        if self._attention is not None and parents:
            self._attention = self._attention[parents]
        return parents, ids

    def _repeats(self, hypothesis: _Running) -> set[int]:
        """Tokens that would complete an n-gram that the hypothesis already holds, if that is not allowed."""
        n, ids = self.parameters.no_repeat_ngram, hypothesis.ids
        if not n or len(ids) < n:
            return set()
        prefix = ids[len(ids) - n + 1 :]
        return {ids[i + n - 1] for i in range(len(ids) - n + 1) if ids[i : i + n - 1] == prefix}

    def _without_repeats(self, options: Sequence[Candidate], hypothesis: _Running) -> list[Candidate]:
        blocked = self._repeats(hypothesis)
        return [option for option in options if option[0] not in blocked]

    def _advance_greedily(self, candidates: Sequence[Candidate]) -> tuple[list[int], list[int]]:
        """The same for a single hypothesis, whose likeliest token decides alone."""
        (hypothesis,) = self.running
        identifier, log_probability = candidates[0] if candidates else (self.end_id, -math.inf)
        total = hypothesis.log_probability + log_probability
        written = hypothesis.ids
        self.running = []
        if not log_probability > _IMPOSSIBLE:
            return [], []
        if identifier == self.end_id:
            self._finish(0, written, total, len(written) + 1, "stop")
            return [], []
        if len(written) + 1 == self.parameters.max_tokens:
            self._finish(0, (*written, identifier), total, len(written) + 1, "length")
            return [], []
        self.running = [_Running((*written, identifier), total)]
        return [0], [identifier]

    def _finish(self, row: int, ids: tuple[int, ...], log_probability: float, length: int, reason: str) -> None:
        score = self._score(row, log_probability, length)
        self.finished.append(Hypothesis(ids, score, log_probability, reason))

    def _nothing_better(self, running: Sequence[_Running]) -> bool:
        """Whether a full beam has finished and the best running one scores below the worst wanted one."""
        if len(self.finished) < self.parameters.beam_size:
            return False
        wanted = sorted((h.score for h in self.finished), reverse=True)[self.parameters.num_best - 1]
        length = len(running[0].ids) + 1
        reachable: float = running[0].log_probability / ((5 + length) / 6) ** self.parameters.length_penalty
        return wanted >= reachable

    def best(self) -> list[Hypothesis]:
        """The `num_best` finished hypotheses, best first."""
        return sorted(self.finished, key=lambda h: -h.score)[: self.parameters.num_best]
