"""What a step of the native executor says of the next tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..decoding.sampling import Candidate, Sampler, choose
from ..decoding.scores import Scores, forbid, looked_up, paired
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
        self.kernels = kernels
        self.features = features
        self.output = output
        self.choosable = choosable
        self.forbidden = forbidden
        self.parts = parts

    @property
    def num_rows(self) -> int:
        """As `Scores`."""
        return len(self.features)

    @property
    def num_tokens(self) -> int:
        """As `Scores`."""
        return self.output.num_columns

    def likeliest(self, count: int) -> list[list[Candidate]]:
        """As `Scores`."""
        return paired(*self._likeliest(count))

    def _likeliest(self, count: int) -> tuple[Tensor, Tensor]:
        inputs = [Rows(self.features)]
        return self.kernels.likeliest(inputs, self.output, self.choosable, count, self.num_rows, self.parts)

    def choose(self, samplers: Sequence[Sampler]) -> list[Candidate]:
        """As `Scores`."""
        if all(sampler.parameters.is_greedy for sampler in samplers):
            ids, log_probabilities = self._likeliest(1)
            return list(zip(ids[:, 0].tolist(), log_probabilities[:, 0].tolist(), strict=True))
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
        inputs = [Rows(self.features, torch.tensor(rows))]
        draws = [(samplers[row].parameters, samplers[row].uniform()) for row in rows]
        ids, scores = self.kernels.draw(inputs, self.output, self.choosable, draws, self.parts)
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def of(self, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
        """As `Scores`."""
        return _of_tables(self, rows, ids)

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        return forbid(self.logits(rows).log_softmax(dim=-1), self.forbidden)

    def logits(self, rows: Sequence[int]) -> Tensor:
        """(rows, vocabulary) before normalisation; forbidden ones too."""
        inputs = [Rows(self.features, torch.tensor(rows))]
        return self.kernels.linear(inputs, self.output, len(rows), self.parts)


class CopyScores:
    """Scores of a head that may also copy from its source (See et al. 2017, arXiv:1704.04368).

    Args:
        generated: what it would write by itself.
        share: (rows, 1), the probability that it does.
        ids: each row's source ids (length,).
        id_addresses: (rows,), their addresses.
        lengths: (rows,), their lengths.
        attention: (rows, longest), zero in the padding.
    """

    def __init__(
        self,
        generated: NativeScores,
        share: Tensor,
        ids: Sequence[Tensor],
        id_addresses: Tensor,
        lengths: Tensor,
        attention: Tensor,
    ) -> None:
        self._generated = generated
        self._share = share
        self._ids = ids
        self._id_addresses = id_addresses
        self._lengths = lengths
        self._attention = attention

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
        own = self._generated
        found = own.kernels.likeliest_copying(
            [Rows(own.features)],
            own.output,
            own.choosable,
            count,
            self._share,
            self._id_addresses,
            self._lengths,
            self._attention,
            own.parts,
        )
        return paired(*found)

    def choose(self, samplers: Sequence[Sampler]) -> list[Candidate]:
        """As `Scores`."""
        return _chosen_from_tables(self, range(self.num_rows), samplers)

    def of(self, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
        """As `Scores`."""
        return _of_tables(self, rows, ids)

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        index = torch.tensor(rows)
        share = self._share[index]
        probabilities = self._generated.logits(rows).softmax(dim=-1) * share
        ids = torch.nn.utils.rnn.pad_sequence([self._ids[row] for row in rows], batch_first=True)
        attention = self._attention[index, : ids.shape[1]]
        probabilities.scatter_add_(1, ids, attention * (1 - share))
        return forbid(probabilities.clamp_min_(1e-30).log_(), self._generated.forbidden)


def _of_tables(scores: Scores, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
    """Given tokens of `rows`, whose whole tables are made a few at a time."""
    found: list[list[Candidate]] = []
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        found.extend(looked_up(scores.table(rows[part]), ids[part]))
    return found


def _chosen_from_tables(scores: Scores, rows: Sequence[int], samplers: Sequence[Sampler]) -> list[Candidate]:
    """A token for each of `rows`, whose whole tables are made a few at a time."""
    chosen: list[Candidate] = []
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[begin : begin + _ROWS_AT_ONCE]
        chosen.extend(choose(scores.table(part), [samplers[row] for row in part]))
    return chosen
