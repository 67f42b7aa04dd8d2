"""What a step of the native executor says of the next tokens."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..decoding.sampling import Candidate, Chosen, Sampler
from ..decoding.scores import greediest, looked_up
from ..state import numbers_tensor
from .library import Kernels
from .operands import Copied, Rows
from .packing import PackedWeights

_ROWS_AT_ONCE = 64
"""Of whose scores whole tables are made; a table takes some 30 KB a row, several times over."""


class NativeScores:
    """Scores of which only the likeliest, or the tables of some rows, are ever computed.

    What a row is told depends on nothing but that row, bit for bit. Where kernels screen, the sum of exponentials of
    `likeliest` is a little rough, so that its log-probabilities differ by less than a hundredth from those of a table.

    Args:
        features: (rows, embedding), to be multiplied with the output weights.
        choosable: 0 a token, or minus infinity for a forbidden one, padded as the weights are.
        without: the same without the tokens that rows may avoid, by the names of their sets.
        copied: what the head may copy besides, if it does (See et al. 2017, arXiv:1704.04368).
    """

    def __init__(
        self,
        kernels: Kernels,
        features: Tensor,
        output: PackedWeights,
        choosable: Tensor,
        without: Mapping[str, Tensor],
        parts: int,
        copied: Copied | None = None,
    ) -> None:
        self._kernels = kernels
        self._features = features
        self._output = output
        self._choosable = choosable
        self._without = without
        self._parts = parts
        self._copied = copied

    @property
    def num_rows(self) -> int:
        """As `Scores`."""
        return len(self._features)

    @property
    def num_tokens(self) -> int:
        """As `Scores`."""
        return self._output.num_columns

    def likeliest(self, count: int, rows: Sequence[int] | None = None, avoid: str = "") -> tuple[Tensor, Tensor]:
        """As `Scores`."""
        index = None if rows is None else numbers_tensor(rows)
        num_rows = self.num_rows if index is None else len(index)
        inputs, copied = [Rows(self._features, index)], self._copied_by(index)
        kernels, output = self._kernels, self._output
        choosable = self._without[avoid] if avoid else self._choosable
        if copied is None:
            return kernels.likeliest(inputs, output, choosable, count, num_rows, self._parts)
        return kernels.likeliest_copying(inputs, output, choosable, count, copied, self._parts)

    def likeliest_ids(self, rows: Sequence[int] | None = None) -> Tensor:
        """As `Scores`."""
        if self._copied is not None:
            return self.likeliest(1, rows)[0][:, 0]
        index = None if rows is None else numbers_tensor(rows)
        num_rows = self.num_rows if index is None else len(index)
        inputs = [Rows(self._features, index)]
        return self._kernels.likeliest_ids(inputs, self._output, self._choosable, num_rows, self._parts)

    def _copied_by(self, index: Tensor | None) -> Copied | None:
        return self._copied if self._copied is None or index is None else self._copied.select(index)

    def choose(self, samplers: Sequence[Sampler]) -> Chosen:
        """As `Scores`."""
        if all(sampler.is_greedy for sampler in samplers):
            return self._greediest(None, samplers)
        greedy: list[int] = []
        drawing: list[int] = []
        others: list[int] = []
        for row, sampler in enumerate(samplers):
            if sampler.is_greedy:
                greedy.append(row)
            elif sampler.draws and self._copied is None:
                drawing.append(row)
            else:
                others.append(row)
        if len(drawing) == self.num_rows:
            return self._drawn(drawing, samplers)
        ids, log_probabilities = torch.empty(self.num_rows, dtype=torch.int64), torch.empty(self.num_rows)

        def put(rows: Sequence[int], chosen: Chosen) -> None:
            index = numbers_tensor(rows)
            ids[index], log_probabilities[index] = chosen

        if greedy:
            put(greedy, self._greediest(greedy, [samplers[row] for row in greedy]))
        if drawing:
            put(drawing, self._drawn(drawing, samplers))
        for begin in range(0, len(others), _ROWS_AT_ONCE):
            part = others[begin : begin + _ROWS_AT_ONCE]
            put(part, self._chosen_from_tables(part, samplers))
        return ids, log_probabilities

    def _greediest(self, rows: Sequence[int] | None, samplers: Sequence[Sampler]) -> Chosen:
        """The likeliest token of some rows, or of all, for their samplers; with its log-probability if one keeps it."""
        if any(sampler.scores is not None for sampler in samplers):
            return greediest(self, rows)
        return self.likeliest_ids(rows), torch.zeros(len(samplers))

    def _drawn(self, rows: Sequence[int], samplers: Sequence[Sampler]) -> Chosen:
        inputs = [Rows(self._features, numbers_tensor(rows))]
        draws = [(samplers[row].parameters, samplers[row].uniform()) for row in rows]
        return self._kernels.draw(inputs, self._output, self._choosable, draws, self._parts)

    def _chosen_from_tables(self, rows: Sequence[int], samplers: Sequence[Sampler]) -> Chosen:
        """A token for each of `rows`, of which there are few enough to make their whole tables."""
        table = self.table(rows)
        ids = self._chosen(table.clone(), [samplers[row] for row in rows])
        return ids, table.gather(1, ids[:, None])[:, 0]

    def _chosen(self, scores: Tensor, samplers: Sequence[Sampler]) -> Tensor:
        """A token (rows,) for each row of `scores` (rows, vocabulary), which are changed as the samplers want them."""
        for row, sampler in zip(scores, samplers, strict=True):
            sampler.penalise(row)
        chosen = scores.argmax(dim=-1)
        drawing = [row for row, sampler in enumerate(samplers) if sampler.parameters.temperature > 0]
        if drawing:
            draws = [(samplers[row].parameters, samplers[row].uniform()) for row in drawing]
            chosen[drawing] = self._kernels.draw_from(scores[drawing], draws)
        return chosen

    def of(self, rows: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[Candidate]]:
        """As `Scores`."""
        found: list[list[Candidate]] = []
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            found.extend(looked_up(self.table(rows[part]), ids[part]))
        return found

    def table(self, rows: Sequence[int]) -> Tensor:
        """As `Scores`."""
        index = numbers_tensor(rows)
        inputs, copied = [Rows(self._features, index)], self._copied_by(index)
        return self._kernels.table(inputs, self._output, self._choosable, len(index), self._parts, copied)
