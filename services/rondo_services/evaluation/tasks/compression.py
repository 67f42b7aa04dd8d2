"""Which words of texts are kept beside which should be: F1, how much is kept, and ROUGE of what that reads like."""

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidInput
from ..segments import Values
from .summarization import ROUGES, rouge_scorer, rouge_signature
from .task import Segment, Task, answer_of, expected_of, field_of, ratio

_COUNT, _WORDS, _KEPT, _EXPECTED, _BOTH, _RIGHT, _F1, _EXACT = range(8)
_ROUGE = 8


class CompressionTask(Task):
    """Of lines with `kept` and `expected_kept`, true or false for each word of the text.

    `f1` is of the kept words of all texts together: twice those that are rightly kept, over the kept and those that
    should be. `f1_per_text` is the mean of each text's own. `exact` is of texts all of whose words are right.
    """

    measure_name = "F1"
    num_columns = _ROUGE + len(ROUGES)

    def __init__(self) -> None:
        self._scorer = rouge_scorer()

    def segment(self, line: Mapping[str, Any]) -> Segment | None:
        summary, references = answer_of(line, "summary"), expected_of(line)
        if not references:
            return None
        kept, expected = field_of(line, "kept", list), field_of(line, "expected_kept", list)
        if not kept or len(kept) != len(expected):
            raise InvalidInput(
                f"line {line.get('line', '?')}: 'kept' has {len(kept)} words and 'expected_kept' {len(expected)}; "
                "they must have as many, at least one"
            )
        right = sum(own == other for own, other in zip(kept, expected, strict=True))
        both = sum(own and other for own, other in zip(kept, expected, strict=True))
        f1 = 100 * (2 * both / (sum(kept) + sum(expected)) if both else float(right == len(kept)))
        scores = self._scorer.score_multi(references, summary)
        rouges = [100 * scores[name].fmeasure for name in ROUGES]
        counts = [1, len(kept), sum(kept), sum(expected), both, right]
        return Segment([*counts, f1, float(right == len(kept)), *rouges], f1, summary)

    def metrics(self, sums: Values) -> dict[str, Values]:
        count, words = sums[:, _COUNT], sums[:, _WORDS]
        return {
            "f1": 200 * ratio(sums[:, _BOTH], sums[:, _KEPT] + sums[:, _EXPECTED]),
            "f1_per_text": ratio(sums[:, _F1], count),
            "word_accuracy": 100 * ratio(sums[:, _RIGHT], words),
            "exact": 100 * ratio(sums[:, _EXACT], count),
            "kept_share": 100 * ratio(sums[:, _KEPT], words),
            "expected_kept_share": 100 * ratio(sums[:, _EXPECTED], words),
            **{name: ratio(sums[:, _ROUGE + i], count) for i, name in enumerate(ROUGES)},
        }

    def details(self, sums: Values) -> dict[str, Any]:
        return {"signatures": self.signatures()}

    def signatures(self) -> dict[str, str]:
        return {"f1": "words:kept|all-texts-together", "rouge": rouge_signature()}
