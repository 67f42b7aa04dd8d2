"""Greedy samplers side by side, in arrays with a number for each: what they write, and when they end.

To touch each sampler for each token takes longer than all else beside the model, as between two steps the kernels push
them out of the caches. Here a sampler is touched when it ends, and once in a while.
"""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from .lanes import Stepped
from .sampling import Sampler
from .search import Advanced

_STEPS = 64
"""After which samplers are handed what they have written."""

_Numbers = NDArray[numpy.int64]


class SamplerColumns:
    """Samplers of one row each that always take the likeliest token and keep no scores; they have one end symbol.

    Until `settle` is called, their `ids` lack the last tokens.
    """

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        self._samplers: list[Sampler] = []
        self._time = 0  # of the table
        self._tokens = numpy.empty((_STEPS, 0), dtype=numpy.int32)  # (time, places)
        self._free: list[int] = []  # places
        self._places: _Numbers = numpy.empty(0, dtype=numpy.int64)  # of each sampler
        self._begins: _Numbers = numpy.empty(0, dtype=numpy.int64)  # the time of the first token in the table
        self._left: _Numbers = numpy.empty(0, dtype=numpy.int64)  # how many may still be written
        self._end_id = samplers[0].end_id
        self.add(samplers)

    @staticmethod
    def suits(sampler: Sampler) -> bool:
        """Whether a sampler may be among others here."""
        return sampler.is_greedy and sampler.scores is None

    def add(self, samplers: Sequence[Sampler]) -> None:
        """Put more behind the others."""
        if (missing := len(samplers) - len(self._free)) > 0:
            size = self._tokens.shape[1]
            added = max(missing, size)  # so that adding one after another does not copy the table each time
            self._tokens = numpy.pad(self._tokens, ((0, 0), (0, added)))
            self._free.extend(range(size, size + added))
        self._samplers.extend(samplers)
        self._places = _with(self._places, [self._free.pop() for _ in samplers])
        self._begins = _with(self._begins, [self._time] * len(samplers))
        self._left = _with(self._left, [sampler.max_tokens - len(sampler.ids) for sampler in samplers])

    def advance(self, stepped: Stepped) -> Advanced:
        """As `advance_samplers`; those that end are complete, and gone from here."""
        ids = stepped.scores.likeliest_ids()
        if self._time == _STEPS:
            self.settle()
        tokens = ids.numpy()
        self._tokens[self._time, self._places] = tokens
        self._time += 1
        self._left -= 1
        stopped = tokens == self._end_id
        end = stopped | (self._left == 0)
        ended: list[int] = end.nonzero()[0].tolist()
        for row in ended:
            self._finish(row, is_stopped=bool(stopped[row]))
        if ended:
            left = ~end
            self._places, self._begins, self._left = self._places[left], self._begins[left], self._left[left]
            for row in reversed(ended):
                del self._samplers[row]
        return Advanced.single_rows(ids, ended)

    def _finish(self, row: int, *, is_stopped: bool) -> None:
        sampler = self._samplers[row]
        self._hand_over(row, self._time - is_stopped)
        sampler.finish_reason = "stop" if is_stopped else "length"
        self._free.append(int(self._places[row]))

    def _hand_over(self, row: int, end: int) -> None:
        """Give a sampler what it has written until then."""
        written = self._tokens[self._begins[row] : end, self._places[row]]
        self._samplers[row].ids.frombytes(written.tobytes())

    def settle(self) -> None:
        """Give all samplers what they have written."""
        for row in range(len(self._samplers)):
            self._hand_over(row, self._time)
        self._time = 0
        self._begins[:] = 0


def _with(numbers: _Numbers, more: Sequence[int]) -> _Numbers:
    return numpy.append(numbers, numpy.array(more, dtype=numpy.int64))
