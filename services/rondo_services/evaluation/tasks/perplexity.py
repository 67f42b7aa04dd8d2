"""Perplexity of texts, of which each comes with its nats."""

import math
from collections.abc import Mapping
from typing import Any

import numpy

from ..segments import Values
from .task import Segment, Task, field_of, ratio

_NATS, _TOKENS, _WORDS = range(3)


class PerplexityTask(Task):
    """exp of the mean negative log-likelihood, over all words and over all tokens."""

    measure_name = "nats per word"
    measure_range = (0.0, None)
    higher_is_better = False
    num_columns = 3
    needs_expected = False

    def segment(self, line: Mapping[str, Any]) -> Segment:
        nats = field_of(line, "nats", float)
        tokens, words = field_of(line, "num_tokens", int), field_of(line, "num_words", int)
        return Segment([nats, tokens, words], nats / words if words else math.nan, None)

    def metrics(self, sums: Values) -> dict[str, Values]:
        with numpy.errstate(over="ignore"):  # too large for a float: infinity, that is undefined
            return {
                "word_perplexity": numpy.exp(ratio(sums[:, _NATS], sums[:, _WORDS])),
                "token_perplexity": numpy.exp(ratio(sums[:, _NATS], sums[:, _TOKENS])),
            }

    def details(self, sums: Values) -> dict[str, Any]:
        return {"nats": float(sums[_NATS]), "num_tokens": int(sums[_TOKENS]), "num_words": int(sums[_WORDS])}
