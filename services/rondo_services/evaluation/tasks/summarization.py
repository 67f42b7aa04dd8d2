"""ROUGE of summaries by rouge-score, their length beside the references', and how much they repeat."""

import math
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..diversity import repetition
from ..segments import Values
from .task import Segment, Task, answer_of, expected_of, ratio

ROUGES = ("rouge1", "rouge2", "rougeL")
_TOKEN = re.compile(r"[^\W_]+")
_COUNT, _REFERENCED, _REPEATED, _WORDS, _REFERENCE_WORDS = range(5)
_ROUGE = 5


class _WordTokenizer:
    """Lower-cased words of any script; rouge-score's own tokenizer would drop every Korean letter."""

    def tokenize(self, text: str) -> list[str]:
        return _TOKEN.findall(text.lower())


def rouge_scorer() -> Any:
    """A `RougeScorer` of ROUGE-1, -2 and -L without stemming, for any script."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGES), use_stemmer=False, tokenizer=_WordTokenizer())


def rouge_signature() -> str:
    """How ROUGE is computed with it."""
    scorer = f"rouge-score:{version('rouge-score')}"
    return f"{scorer}|case:lower|stem:no|tok:{_TOKEN.pattern}|refs:best|mean:f1"


class SummarizationTask(Task):
    """Of summaries: mean ROUGE F1 in percent, of several references the best one's.

    `length_ratio` is words of all summaries to words of the references, of which the nearest in length is taken.
    """

    measure_name = "ROUGE-L"
    num_columns = _ROUGE + len(ROUGES)
    distinct_orders = (1, 2)

    def __init__(self) -> None:
        self._scorer = rouge_scorer()

    def segment(self, line: Mapping[str, Any]) -> Segment:
        summary, references = answer_of(line, "summary"), expected_of(line)
        words = summary.split()
        repeated = repetition(words)
        if not references:
            return Segment([1, 0, repeated, *[0.0] * (self.num_columns - 3)], math.nan, summary)
        scores = self._scorer.score_multi(references, summary)
        rouges = [100 * scores[name].fmeasure for name in ROUGES]
        nearest = min((len(own.split()) for own in references), key=lambda length: (abs(length - len(words)), length))
        return Segment([1, 1, repeated, len(words), nearest, *rouges], rouges[-1], summary)

    def metrics(self, sums: Values) -> dict[str, Values]:
        return {
            **{name: ratio(sums[:, _ROUGE + i], sums[:, _REFERENCED]) for i, name in enumerate(ROUGES)},
            "length_ratio": ratio(sums[:, _WORDS], sums[:, _REFERENCE_WORDS]),
            "repetition": 100 * ratio(sums[:, _REPEATED], sums[:, _COUNT]),
        }

    def details(self, sums: Values) -> dict[str, Any]:
        return {"signatures": self.signatures()} if sums[_REFERENCED] else {}

    def signatures(self) -> dict[str, str]:
        return {"rouge": rouge_signature()}
