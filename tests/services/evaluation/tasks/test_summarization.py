from typing import Any, Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from rondo_services.evaluation.measuring import measure

sentences = st.lists(st.sampled_from(["a", "b", "c", "boat", "sea"]), max_size=8).map(" ".join)


def measured(predicted: list[str], expected: list[list[str]]) -> dict[str, Any]:
    lines = (
        {"text": "t", "summary": own, "expected": references}
        for own, references in zip(predicted, expected, strict=True)
    )
    return measure("summarization", lines, num_resamples=0).metrics


def rouge(predicted: list[str], expected: list[str]) -> dict[str, Any]:
    metrics = measured(predicted, [[own] for own in expected])
    return {name: metrics[name] for name in ("rouge1", "rouge2", "rougeL")}


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_how_characters_are_composed_does_not_count(forms: tuple[Literal["NFC", "NFD"], Literal["NFC", "NFD"]]) -> None:
    """A reference in decomposed characters had next to nothing in common with the same summary."""
    summary, reference = (normalize(form, "schöne Übung im Büro") for form in forms)
    assert rouge([summary], [reference]) == pytest.approx({"rouge1": 100, "rouge2": 100, "rougeL": 100})


def test_rouge_by_hand() -> None:
    # 3 of 4 words; 1 of 3 bigrams; longest common subsequence "a c d" of 4
    assert rouge(["a x c d"], ["a b c d"]) == pytest.approx({"rouge1": 75, "rouge2": 100 / 3, "rougeL": 75})


@given(st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_rouge_is_the_mean_of_rouge_scores_best(pairs: list[tuple[str, list[str]]]) -> None:
    """Its own tokenizer knows these words."""
    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names)
    scores = [scorer.score_multi(references, predicted) for predicted, references in pairs]
    metrics = measured([predicted for predicted, _ in pairs], [references for _, references in pairs])
    for name in names:
        assert metrics[name] == pytest.approx(100 * sum(own[name].fmeasure for own in scores) / len(pairs))


def test_rouge_is_a_mean_of_f1_over_texts() -> None:
    # "small boat" of "a small boat": precision 1, recall 2/3, F1 0.8
    assert rouge(["small boat", "nothing"], ["a small boat", "else"])["rouge1"] == pytest.approx(40)


def test_rouge_ignores_case_and_marks_but_not_endings() -> None:
    assert rouge(["Boats, small!"], ["boats small"])["rougeL"] == pytest.approx(100)
    assert rouge(["boats"], ["boat"])["rouge1"] == 0


def test_rouge_reads_korean_and_umlauts() -> None:
    """rouge-score's own tokenizer keeps a-z and digits only: every Korean summary scored 0."""
    assert rouge(["작은 배"], ["작은 배"])["rouge1"] == pytest.approx(100)
    assert rouge(["작은 배"], ["작은 강"])["rouge1"] == pytest.approx(50)
    assert rouge(["größer"], ["grosser"])["rouge1"] == 0
    assert rouge(["schönes Boot"], ["Schönes boot"])["rouge2"] == pytest.approx(100)


def test_the_signature_says_how_rouge_was_computed() -> None:
    signature = measured(["a boat"], [["a boat"]])["signatures"]["rouge"]
    assert signature.startswith("rouge-score:")
    assert "|stem:no|" in signature
    assert "signatures" not in measured(["a boat"], [[]])


def test_an_empty_summary_scores_nothing() -> None:
    assert rouge([""], ["a boat"]) == {"rouge1": 0, "rouge2": 0, "rougeL": 0}


def test_length_is_compared_with_the_nearest_reference() -> None:
    metrics = measured(["one two three", "one"], [["a", "a b c d"], ["a b"]])
    assert metrics["length_ratio"] == pytest.approx((3 + 1) / (4 + 2))


def test_lines_without_a_reference_count_for_diversity_only() -> None:
    metrics = measured(["a boat", "a a a a a"], [["a boat"], []])
    assert metrics["rouge1"] == pytest.approx(100)
    assert metrics["length_ratio"] == pytest.approx(1)
    assert metrics["num_without_expected"] == 1
    assert metrics["repetition"] == pytest.approx(25)
    assert metrics["distinct2"] == pytest.approx(100 * 2 / 5)
