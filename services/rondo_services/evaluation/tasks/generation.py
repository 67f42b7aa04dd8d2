"""How long continuations are, and how much they repeat; nothing is expected of them."""

from collections.abc import Mapping
from typing import Any

from ..diversity import repetition
from ..segments import Values
from .task import Segment, Task, field_of, ratio

_COUNT, _WORDS, _REPEATED = range(3)


class GenerationTask(Task):
    """Of continuations: repetition in percent, `mean_length` in words."""

    measure_name = "repetition"
    higher_is_better = False
    num_columns = 3
    needs_expected = False
    distinct_orders = (1, 2, 3)

    def segment(self, line: Mapping[str, Any]) -> Segment:
        text = field_of(line, "continuation", str)
        words = text.split()
        repeated = 100 * repetition(words)
        return Segment([1, len(words), repeated], repeated, text)

    def metrics(self, sums: Values) -> dict[str, Values]:
        return {
            "repetition": ratio(sums[:, _REPEATED], sums[:, _COUNT]),
            "mean_length": ratio(sums[:, _WORDS], sums[:, _COUNT]),
        }
