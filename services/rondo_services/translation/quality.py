"""How good a translation probably is, from what the search says of it anyway.

Knows no text and no model. Of all that is free for every request only the mean probability of a token tells something
(docs/log.md); how it relates to chrF is measured on dev data by `rondo bundle calibrate` and kept in the manifest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rondo_models.decoding.parameters import Hypothesis

MANIFEST_KEY = "quality"
"""Below what the manifest says of the translation service."""


def confidence(hypotheses: Sequence[tuple[int, Hypothesis]]) -> float:
    """Geometric mean of the token probabilities, from 0 to 1; of a text the sentences' mean by their lengths.

    A translation that says nothing, or that did not come to its end, has none.

    Args:
        hypotheses: of each sentence (at least one) the number of its source ids and its translation.
    """
    total = sum(length * _confidence(hypothesis) for length, hypothesis in hypotheses)
    return total / sum(length for length, _ in hypotheses)


def _confidence(hypothesis: Hypothesis) -> float:
    if not hypothesis.ids or hypothesis.finish_reason != "stop":
        return 0.0
    return math.exp(hypothesis.log_probability / (len(hypothesis.ids) + 1))


@dataclass(frozen=True, slots=True)
class Line:
    """Quality by confidence in one direction."""

    intercept: float
    slope: float

    def at(self, confidence: float) -> float:
        """From 0 to 1."""
        return min(max(self.intercept + self.slope * confidence, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class TranslationQuality:
    """Estimates the sentence chrF, as a share of 1, that translations would have against references.

    Attributes:
        lines: by direction, as "en-de".
    """

    lines: Mapping[str, Line]

    @staticmethod
    def from_manifest(values: Mapping[str, Any]) -> "TranslationQuality | None":
        """From what the manifest says of the translation service; None if that was never calibrated."""
        if MANIFEST_KEY not in values:
            return None
        return TranslationQuality(
            {direction: Line(own["intercept"], own["slope"]) for direction, own in values[MANIFEST_KEY].items()}
        )

    def of(self, source: str, target: str, hypotheses: Sequence[tuple[int, Hypothesis]]) -> float | None:
        """The estimate for a text.

        Args:
            source, target: the languages.
            hypotheses: of each sentence the number of its source ids and its translation.

        Returns:
            None for a direction that was not calibrated, or if there are no sentences.
        """
        line = self.lines.get(f"{source}-{target}")
        return None if line is None or not hypotheses else line.at(confidence(hypotheses))
