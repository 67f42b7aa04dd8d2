"""BLEU, chrF and TER of translations, all by sacreBLEU, and how much they repeat."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy

from ..diversity import repetition
from ..segments import Values
from .task import Segment, Task, answer_of, expected_of, ratio

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.ter import TER

_FORGET_AFTER = 1024
_COUNT, _REFERENCED, _REPEATED = range(3)
_BLEU = slice(3, 13)
_CHRF = slice(13, 31)
_TER = slice(31, 33)


def bleu_for(target_language: str) -> "BLEU":
    """Cased BLEU of detokenised texts; Korean on characters, as sacreBLEU has no words of it without MeCab."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="char" if target_language == "ko" else "13a")


def ter_for(target_language: str) -> "TER":
    """TER as sacreBLEU has it by default; of Korean normalised with its support of Asian scripts."""
    from sacrebleu.metrics.ter import TER

    return TER(normalized=True, asian_support=True) if target_language == "ko" else TER()


class TranslationTask(Task):
    """Of translations with any number of references each.

    Statistics of texts and metrics of their sums are sacreBLEU's own, so that they are what its `corpus_score` gives.
    """

    measure_name = "chrF"
    num_columns = 33
    distinct_orders = (1, 2)
    language_field = "source"

    def __init__(self, target_language: str) -> None:
        from sacrebleu.metrics.chrf import CHRF

        self._bleu, self._chrf, self._ter = bleu_for(target_language), CHRF(), ter_for(target_language)
        self._nums_references: set[int] = set()
        self._num_read = 0

    def segment(self, line: Mapping[str, Any]) -> Segment:
        translation, references = answer_of(line, "translation"), expected_of(line)
        repeated = repetition(translation.split())
        if not references:
            return Segment([1, 0, repeated, *[0.0] * (self.num_columns - 3)], math.nan, translation)
        self._nums_references.add(len(references))
        streams = [[reference] for reference in references]
        statistics = [
            metric._extract_corpus_statistics([translation], streams)[0]
            for metric in (self._bleu, self._chrf, self._ter)
        ]
        self._num_read += 1
        if self._num_read % _FORGET_AFTER == 0:
            _forget_texts()
        measure = self._chrf._compute_score_from_stats(statistics[1]).score
        return Segment([1, 1, repeated, *statistics[0], *statistics[1], *statistics[2]], measure, translation)

    def metrics(self, sums: Values) -> dict[str, Values]:
        return {
            "bleu": _scores(self._bleu, sums[:, _BLEU], sums[:, _REFERENCED]),
            "chrf": _scores(self._chrf, sums[:, _CHRF], sums[:, _REFERENCED]),
            "ter": _scores(self._ter, sums[:, _TER], sums[:, _REFERENCED]),
            "repetition": 100 * ratio(sums[:, _REPEATED], sums[:, _COUNT]),
        }

    def details(self, sums: Values) -> dict[str, Any]:
        return {"signatures": self.signatures()} if self._nums_references else {}

    def signatures(self) -> dict[str, str]:
        signatures = {}
        for name, metric in (("bleu", self._bleu), ("chrf", self._chrf), ("ter", self._ter)):
            one_number = len(self._nums_references) == 1
            metric.num_refs = min(self._nums_references) if one_number else -1  # as for a whole corpus
            signatures[name] = str(metric.get_signature())
        return signatures


def _scores(metric: "Metric", sums: Values, counts: Iterable[float]) -> Values:
    return numpy.array(
        [
            metric._compute_score_from_stats(own).score if count else math.nan
            for own, count in zip(sums.tolist(), counts, strict=True)
        ]
    )


def _forget_texts() -> None:
    """sacreBLEU's tokenizers keep 65,536 texts each, tens of megabytes."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_char import TokenizerChar
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp
    from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

    for tokenizer in (Tokenizer13a, TokenizerChar, TokenizerRegexp, TercomTokenizer):
        tokenizer.__call__.cache_clear()
