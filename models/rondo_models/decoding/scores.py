"""What a step says of the next tokens, without saying it all: mostly a few of the likeliest are enough."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..state import numbers_tensor
from .sampling import Candidate, Chosen, Sampler, choose


class Scores(Protocol):
    """Log-probabilities of the next token, for some rows; of forbidden ones minus infinity."""

    @property
    def num_rows(self) -> int:
        """Rows of the step."""

    @property
    def num_tokens(self) -> int:
        """Size of the vocabulary."""

    def likeliest(self, count: int, rows: Sequence[int] | None = None, avoid: str = "") -> tuple[Tensor, Tensor]:
        """The `count` likeliest tokens of some rows, or of all, best first: ids and log-probabilities (rows, count).

        Args:
            avoid: name of a set of tokens that count as forbidden; empty: none.
        """

    def likeliest_ids(self, rows: Sequence[int] | None = None) -> Tensor:
        """The likeliest token (rows,) of some rows, or of all, as `likeliest` finds it, in less time."""

    def choose(self, samplers: Sequence[Sampler]) -> Chosen:
        """A token for each row, as its sampler wants it; its log-probability counts only if it keeps scores."""

    def of(self, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
        """Given tokens of some rows: for each of `rows` those of its `ids`, in their order."""

    def table(self, rows: Sequence[int]) -> Tensor:
        """(rows, vocabulary) of some rows; a new tensor."""


class TableScores:
    """Scores that are all there.

    Args:
        log_probabilities: (rows, vocabulary).
        avoidable: ids (n,) of the sets of tokens that rows may avoid, by their names.
    """

    def __init__(self, log_probabilities: Tensor, avoidable: Mapping[str, Tensor] | None = None) -> None:
        self._table = log_probabilities
        self._avoidable = avoidable or {}

    @property
    def num_rows(self) -> int:
        """As `Scores`."""
        return len(self._table)

    @property
    def num_tokens(self) -> int:
        """As `Scores`."""
        return self._table.shape[1]

    def likeliest(self, count: int, rows: Sequence[int] | None = None, avoid: str = "") -> tuple[Tensor, Tensor]:
        """As `Scores`."""
        table = self._table if rows is None else self.table(rows)
        if avoid:
            table = table.index_fill(1, self._avoidable[avoid], -torch.inf)
        log_probabilities, ids = table.topk(count, dim=-1)
        return ids, log_probabilities

    def likeliest_ids(self, rows: Sequence[int] | None = None) -> Tensor:
        """As `Scores`."""
        return self.likeliest(1, rows)[0][:, 0]

    def choose(self, samplers: Sequence[Sampler]) -> Chosen:
        """As `Scores`."""
        return choose(self._table, samplers)

    def of(self, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
        """As `Scores`."""
        return looked_up(self.table(rows), ids)

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        return self._table[numbers_tensor(rows)]


def greediest(scores: Scores, rows: Sequence[int] | None = None, avoid: str = "") -> Chosen:
    """The likeliest token of some rows, or of all; `avoid` as of `Scores.likeliest`."""
    ids, log_probabilities = scores.likeliest(1, rows, avoid)
    return ids[:, 0], log_probabilities[:, 0]


def looked_up(table: Tensor, ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
    """For each row of a table (rows, vocabulary) its own `ids` with their log-probabilities."""
    return [
        list(zip(own, row[torch.tensor(own, dtype=torch.int64)].tolist(), strict=True))
        for row, own in zip(table, ids, strict=True)
    ]


def paired(ids: Tensor, log_probabilities: Tensor) -> list[list[Candidate]]:
    """Rows of candidates from (rows, count) ids and (rows, count) log-probabilities."""
    return [
        list(zip(row_ids, row_scores, strict=True))
        for row_ids, row_scores in zip(ids.tolist(), log_probabilities.tolist(), strict=True)
    ]


def forbid(log_probabilities: Tensor, forbidden: Tensor) -> Tensor:
    """The same tensor (rows, vocabulary), with the ids in `forbidden` made impossible in place."""
    return log_probabilities.index_fill_(1, forbidden, -torch.inf)
