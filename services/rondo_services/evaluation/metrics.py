"""Metrics over predictions and references; the computing is left to scikit-learn, sacreBLEU and rouge-score."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

_ROUGE_TOKEN = re.compile(r"[^\W_]+")


def classification(predicted: Sequence[str], expected: Sequence[str]) -> dict[str, Any]:
    """Accuracy and macro-F1 in percent, and the confusion counts by expected and predicted label."""
    from sklearn.metrics import accuracy_score, f1_score

    labels = sorted(set(expected) | set(predicted))
    counts = Counter(zip(expected, predicted, strict=True))
    return {
        "accuracy": 100 * float(accuracy_score(expected, predicted)),
        "macro_f1": 100 * float(f1_score(expected, predicted, average="macro")),
        "confusion": {row: {column: counts[row, column] for column in labels} for row in labels},
    }


def translation(hypotheses: Sequence[str], references: Sequence[Sequence[str]], target: str) -> dict[str, Any]:
    """Cased, detokenised BLEU and chrF by sacreBLEU, against all references, with their signatures.

    Korean BLEU is computed on characters, as sacreBLEU has no word segmentation for it without MeCab.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    most = max(len(alternatives) for alternatives in references)
    streams: list[Any] = [
        [alternatives[i] if i < len(alternatives) else None for alternatives in references] for i in range(most)
    ]
    bleu = BLEU(tokenize="char" if target == "ko" else "13a")
    chrf = CHRF()
    bleu_score = bleu.corpus_score(list(hypotheses), streams)
    chrf_score = chrf.corpus_score(list(hypotheses), streams)
    return {
        "bleu": float(bleu_score.score),
        "chrf": float(chrf_score.score),
        "signatures": {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())},
    }


class _WordTokenizer:
    """Lower-cased words of any script; rouge-score's own tokenizer would drop every Korean letter."""

    def tokenize(self, text: str) -> list[str]:
        return _ROUGE_TOKEN.findall(text.lower())


def summarization(predicted: Sequence[str], expected: Sequence[str]) -> dict[str, Any]:
    """Mean ROUGE-1, -2 and -L F1 in percent, without stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names), use_stemmer=False, tokenizer=_WordTokenizer())
    sums = dict.fromkeys(names, 0.0)
    for prediction, reference in zip(predicted, expected, strict=True):
        scores = scorer.score(reference, prediction)
        for name in names:
            sums[name] += scores[name].fmeasure
    return {name: 100 * total / len(predicted) for name, total in sums.items()}
