from typing import Any
from unicodedata import normalize

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.stemmed_rouge import NAMES, StemmedScorer, stemmed_rouge


def line(summary: str, *references: str) -> dict[str, Any]:
    return {"text": "t", "summary": summary, "expected": list(references)}


def test_endings_and_case_do_not_count() -> None:
    assert StemmedScorer().scores("The herons are Fishing", ["the heron are fished"]) == pytest.approx((100, 100, 100))


def test_how_characters_are_composed_does_not_count() -> None:
    """rouge-score's tokenizer cuts a word at letters beyond ASCII, and elsewhere if they are decomposed."""
    found = stemmed_rouge([line("café noir", normalize("NFD", "café noir"))], num_resamples=0)
    assert set(found.scores.values()) == {100}


def test_the_reference_with_the_best_rouge_1_gives_all_figures() -> None:
    """Its ROUGE-2 is 0, although another reference has a better one."""
    shuffled, in_order = "d c b a", "a b x y z"
    (one, two, longest) = StemmedScorer().scores("a b c d", [in_order, shuffled])
    assert (one, two, longest) == pytest.approx((100, 0, 25))
    assert StemmedScorer().scores("a b c d", [in_order])[1] > 0


def test_the_mean_is_over_texts_with_references() -> None:
    lines = [line("one two", "one two"), line("three", "four"), line("five")]
    assert stemmed_rouge(lines).scores == pytest.approx({NAMES[0]: 50, NAMES[1]: 50, NAMES[2]: 50})
    with pytest.raises(InvalidInput, match="no text has a reference"):
        stemmed_rouge(lines[2:])


def test_the_interval_holds_the_score_and_goes_into_the_report() -> None:
    lines = [line("a small boat", "a small boat" if number % 3 else "the lake") for number in range(30)]
    found = stemmed_rouge(lines)
    report: dict[str, Any] = {"metrics": {"rouge1": 1.0}, "intervals": {}}
    found.put_into(report)
    assert set(report["metrics"]) == {"rouge1", *NAMES, "signatures"}
    for name in NAMES:
        low, high = report["intervals"][name]
        assert low < report["metrics"][name] < high
    assert report["metrics"]["signatures"]["rouge_stemmed"].startswith("rouge-score:")
    assert stemmed_rouge(lines) == found
    assert not stemmed_rouge(lines[:9]).intervals  # of too few texts
    assert not stemmed_rouge(lines, num_resamples=0).intervals
