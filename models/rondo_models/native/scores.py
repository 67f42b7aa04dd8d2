"""What a step of the native executor says of the next tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..decoding.sampling import Candidate, Sampler, choose
from ..decoding.scores import Scores, TableScores, forbid, paired
from .library import Kernels, Rows
from .packing import PackedWeights

_ROWS_AT_ONCE = 64
"""Of whose scores whole tables are made; a table takes some 30 KB a row, several times over."""


class NativeScores:
    """Scores of which only the likeliest, or the tables of some rows, are ever computed.

    Args:
        features: (rows, embedding), to be multiplied with the output weights.
        choosable: 0 a token, or minus infinity for a forbidden one, padded as the weights are.
    """

    def __init__(
        self,
        kernels: Kernels,
        features: Tensor,
        output: PackedWeights,
        choosable: Tensor,
        forbidden: Tensor,
        parts: int,
    ) -> None:
        self._kernels = kernels
        self._features = features
        self._output = output
        self._choosable = choosable
        self._forbidden = forbidden
        self._parts = parts

    @property
    def num_rows(self) -> int:
        """As `Scores`."""
        return len(self._features)

    @property
    def num_tokens(self) -> int:
        """As `Scores`."""
        return self._output.num_columns

    def likeliest(self, count: int) -> list[list[Candidate]]:
        """As `Scores`."""
        inputs = [Rows(self._features)]
        ids, log_probabilities = self._kernels.likeliest(
            inputs, self._output, self._choosable, count, self.num_rows, self._parts
        )
        return paired(ids, log_probabilities)

    def choose(self, samplers: Sequence[Sampler]) -> list[Candidate]:
        """As `Scores`."""
        if all(sampler.parameters.is_greedy for sampler in samplers):
            return [options[0] for options in self.likeliest(1)]
        drawing: list[int] = []
        others: list[int] = []
        for row, sampler in enumerate(samplers):
            parameters = sampler.parameters
            by_kernel = parameters.temperature > 0 and not parameters.changes_scores
            (drawing if by_kernel else others).append(row)
        chosen = dict(zip(drawing, self._drawn(drawing, samplers), strict=True)) if drawing else {}
        chosen.update(zip(others, _chosen_from_tables(self, others, samplers), strict=True))
        return [chosen[row] for row in range(self.num_rows)]

    def _drawn(self, rows: Sequence[int], samplers: Sequence[Sampler]) -> list[Candidate]:
        inputs = [Rows(self._features, torch.tensor(rows))]
        draws = [(samplers[row].parameters, samplers[row].uniform()) for row in rows]
        ids, scores = self._kernels.draw(inputs, self._output, self._choosable, draws, self._parts)
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        return forbid(self.logits(rows).log_softmax(dim=-1), self._forbidden)

    def logits(self, rows: Sequence[int]) -> Tensor:
        """(rows, vocabulary) before normalisation; forbidden ones too."""
        inputs = [Rows(self._features, torch.tensor(rows))]
        return self._kernels.linear(inputs, self._output, len(rows), self._parts)


class CopyScores:
    """Scores of a head that may also copy from its source (See et al. 2017, arXiv:1704.04368).

    Args:
        generated: what it would write by itself.
        share: (rows, 1), the probability that it does.
        ids: (rows, source), padded.
        attention: (rows, source), zero in the padding.
        forbidden: ids that must not be written.
    """

    def __init__(self, generated: NativeScores, share: Tensor, ids: Tensor, attention: Tensor, forbidden: Tensor):
        self._generated = generated
        self._share = share
        self._ids = ids
        self._attention = attention
        self._forbidden = forbidden

    @property
    def num_rows(self) -> int:
        """As `Scores`."""
        return self._generated.num_rows

    @property
    def num_tokens(self) -> int:
        """As `Scores`."""
        return self._generated.num_tokens

    def likeliest(self, count: int) -> list[list[Candidate]]:
        """As `Scores`."""
        found: list[list[Candidate]] = []
        for begin in range(0, self.num_rows, _ROWS_AT_ONCE):
            rows = range(begin, min(begin + _ROWS_AT_ONCE, self.num_rows))
            found.extend(TableScores(self.table(rows)).likeliest(count))
        return found

    def choose(self, samplers: Sequence[Sampler]) -> list[Candidate]:
        """As `Scores`."""
        return _chosen_from_tables(self, range(self.num_rows), samplers)

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        index = torch.tensor(rows)
        share = self._share[index]
        probabilities = self._generated.logits(rows).softmax(dim=-1) * share
        probabilities.scatter_add_(1, self._ids[index], self._attention[index] * (1 - share))
        return forbid(probabilities.clamp_min_(1e-30).log_(), self._forbidden)


def _chosen_from_tables(scores: Scores, rows: Sequence[int], samplers: Sequence[Sampler]) -> list[Candidate]:
    """A token for each of `rows`, whose whole tables are made a few at a time."""
    chosen: list[Candidate] = []
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[begin : begin + _ROWS_AT_ONCE]
        chosen.extend(choose(scores.table(part), [samplers[row] for row in part]))
    return chosen
