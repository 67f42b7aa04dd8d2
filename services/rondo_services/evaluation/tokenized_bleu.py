"""BLEU of lowercased words as Moses cuts them: what papers on small sets report, Multi30k above all.

Texts are lowercased, their punctuation is normalised and they are tokenised, in the order of that data set's own
script; sacreBLEU counts. Such figures depend on who tokenises, so they go beside cased BLEU of texts as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy

from ..errors import InvalidInput
from .measuring import FEWEST_TEXTS
from .resampling import DEFAULT_SEED, bootstrap_weights, percentile_interval
from .segments import Values
from .tasks.task import answer_of, expected_of

NAME = "bleu_tokenized"
_LANGUAGES = ("en", "de", "fr")
"""Those of ours whose words Moses knows how to cut."""


@dataclass(frozen=True, slots=True)
class TokenizedBleu:
    """A corpus's score, its 95 % interval (None for a handful of texts) and how it was computed."""

    score: float
    interval: tuple[float, float] | None
    signature: str

    def put_into(self, report: dict[str, Any]) -> None:
        """Add it to the metrics of a report."""
        report["metrics"][NAME] = self.score
        report["metrics"].setdefault("signatures", {})[NAME] = self.signature
        if self.interval is not None:
            report["intervals"][NAME] = list(self.interval)


def check_tokenizer(language: str) -> None:
    """Check that texts of a language can be tokenised.

    Raises:
        InvalidInput: Moses has no rules for it, or its library is not installed.
    """
    if language not in _LANGUAGES:
        *most, last = _LANGUAGES
        raise InvalidInput(f"tokenized BLEU is of {', '.join(most)} or {last}, not of {language!r}", field="target")
    if find_spec("sacremoses") is None:
        raise InvalidInput("tokenized BLEU needs sacremoses; install the extra: pip install 'rondo-nlp[moses]'")


def moses_words(language: str) -> Callable[[str], str]:
    """What lowercases a text and puts spaces between its words."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)
    return lambda text: str(tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True, escape=False))


def tokenized_bleu(lines: Iterable[Mapping[str, Any]], language: str, num_resamples: int = 1000) -> TokenizedBleu:
    """BLEU of the output lines of a translation job that have references.

    Args:
        lines: each with `translation` and `expected`.
        language: that was translated into.
        num_resamples: of the bootstrap, the same draws as of the other metrics.

    Raises:
        InvalidInput: as of `check_tokenizer`, or no line has a reference.
    """
    from sacrebleu.metrics.bleu import BLEU

    check_tokenizer(language)
    words = moses_words(language)
    bleu = BLEU(tokenize="none", force=True)
    rows, nums_references = [], set()
    for line in lines:
        references = [[words(reference)] for reference in expected_of(line)]
        if references:
            translation = words(answer_of(line, "translation"))
            rows.append(bleu._extract_corpus_statistics([translation], references)[0])
            nums_references.add(len(references))
    if not rows:
        raise InvalidInput("no text has a reference; there is nothing to measure")
    statistics = numpy.array(rows, dtype=numpy.float64)  # (texts, statistics)

    def scores(sums: Values) -> Values:
        return numpy.array([bleu._compute_score_from_stats(row).score for row in sums.tolist()])

    drawn = [
        scores(weights.astype(numpy.float64) @ statistics)
        for weights in bootstrap_weights(len(statistics), num_resamples, DEFAULT_SEED)
    ]
    bleu.num_refs = nums_references.pop() if len(nums_references) == 1 else -1  # as for a whole corpus
    return TokenizedBleu(
        float(scores(statistics.sum(axis=0, keepdims=True))[0]),
        percentile_interval(numpy.concatenate(drawn)) if drawn and len(rows) >= FEWEST_TEXTS else None,
        f"{bleu.get_signature()}|words:lowercased-normalized-moses.{language}-sacremoses.{version('sacremoses')}",
    )
