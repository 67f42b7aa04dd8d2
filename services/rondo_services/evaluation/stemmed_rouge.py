"""ROUGE of English as papers on AESLC and SciTLDR report it: of stemmed words, by rouge-score's own tokenizer.

Of several references the one with the best ROUGE-1 gives all three figures, as in SciTLDR's own script (Cachola et al.
2020). The ROUGE beside it, of any language, does not stem and takes the best reference for each figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy

from ..errors import InvalidInput
from .measuring import FEWEST_TEXTS
from .resampling import DEFAULT_SEED, bootstrap_weights, percentile_interval
from .tasks.task import answer_of, expected_of

_ROUGES = ("rouge1", "rouge2", "rougeL")
NAMES = tuple(f"{name}_stemmed" for name in _ROUGES)


@dataclass(frozen=True, slots=True)
class StemmedRouge:
    """Mean F1 in percent by name, 95 % intervals (none for a handful of texts) and how they were computed."""

    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    signature: str

    def put_into(self, report: dict[str, Any]) -> None:
        """Add it to the metrics of a report."""
        report["metrics"].update(self.scores)
        report["metrics"].setdefault("signatures", {})["rouge_stemmed"] = self.signature
        report["intervals"].update({name: list(interval) for name, interval in self.intervals.items()})


class StemmedScorer:
    """ROUGE-1, -2 and -L of a text, F1 in percent."""

    def __init__(self) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        self._scorer = RougeScorer(list(_ROUGES), use_stemmer=True)

    def scores(self, text: str, references: Sequence[str]) -> tuple[float, ...]:
        """Of the first of the references with the highest ROUGE-1."""
        found = (self._scorer.score(reference, text) for reference in references)
        return max((tuple(100 * own[name].fmeasure for name in _ROUGES) for own in found), key=lambda own: own[0])


def stemmed_rouge(lines: Iterable[Mapping[str, Any]], num_resamples: int = 1000) -> StemmedRouge:
    """ROUGE of the output lines of a summarization job that have references.

    Args:
        lines: each with `summary` and `expected`.
        num_resamples: of the bootstrap, the same draws as of the other metrics; 0 makes no intervals.

    Raises:
        InvalidInput: no line has a reference.
    """
    scorer = StemmedScorer()
    rows = [
        scorer.scores(answer_of(line, "summary"), references) for line in lines if (references := expected_of(line))
    ]
    if not rows:
        raise InvalidInput("no text has a reference; there is nothing to measure")
    scores = numpy.array(rows)  # (texts, rouges)
    drawn = [
        weights.astype(numpy.float64) @ scores / len(scores)
        for weights in bootstrap_weights(len(scores), num_resamples, DEFAULT_SEED)
    ]
    intervals = {}
    if drawn and len(rows) >= FEWEST_TEXTS:
        resampled = numpy.concatenate(drawn)  # (draws, rouges)
        found = (percentile_interval(resampled[:, column]) for column in range(len(NAMES)))
        intervals = {name: own for name, own in zip(NAMES, found, strict=True) if own is not None}
    return StemmedRouge(
        dict(zip(NAMES, scores.mean(axis=0).tolist(), strict=True)),
        intervals,
        f"rouge-score:{version('rouge-score')}|case:lower|stem:porter|tok:default|refs:best-rouge1|mean:f1",
    )
