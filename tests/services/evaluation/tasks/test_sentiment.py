import math
import random
from typing import Any
from unicodedata import normalize

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.measuring import measure
from rondo_services.evaluation.tasks.sentiment import MOST_FOREIGN, SentimentTask


def line(expected: str, predicted: str, score: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"text": "t", "expected": [expected], "label": predicted, "score": score, **more}


def measured(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return measure("sentiment", lines, num_resamples=0).metrics


def test_accuracy_and_f1_by_hand() -> None:
    metrics = measured([line("pos", "pos"), line("pos", "neg"), line("pos", "pos"), line("neg", "neg")])
    # pos: precision 1, recall 2/3, F1 0.8; neg: precision 1/2, recall 1, F1 2/3
    assert metrics["accuracy"] == pytest.approx(75)
    assert metrics["macro_f1"] == pytest.approx(100 * (0.8 + 2 / 3) / 2)
    assert metrics["confusion"] == {"neg": {"neg": 1, "pos": 0}, "pos": {"neg": 1, "pos": 2}}


def test_a_label_that_is_only_predicted_counts_against_macro_f1() -> None:
    metrics = measured([line("a", "a"), line("a", "c")])
    assert metrics["macro_f1"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert metrics["confusion"]["a"] == {"a": 1, "c": 1}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_accuracy_and_f1_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    metrics = measured([line(*pair) for pair in pairs])
    expected, predicted = zip(*pairs, strict=True)
    assert metrics["accuracy"] == pytest.approx(100 * accuracy_score(expected, predicted))
    assert metrics["macro_f1"] == pytest.approx(100 * f1_score(expected, predicted, average="macro"))


def test_likelihood_is_scikit_learns() -> None:
    generator = random.Random(1)
    lines, expected, probabilities = [], [], []
    for _ in range(50):
        positive = generator.random()
        label = generator.choice(["negative", "positive"])
        scores = {"positive": positive, "negative": 1 - positive}
        lines.append(line(label, max(scores, key=lambda own: scores[own]), max(scores.values()), scores=scores))
        expected.append(label)
        probabilities.append([1 - positive, positive])
    assert measured(lines)["nll"] == pytest.approx(log_loss(expected, probabilities))


def test_likelihood_of_lines_without_scores_is_unknown() -> None:
    assert measured([line("a", "a")])["nll"] is None
    both = [line("a", "a", 0.5, scores={"a": 0.5, "b": 0.5}), line("a", "a", 0.9)]
    assert measured(both)["nll"] == pytest.approx(math.log(2))


def test_a_right_label_that_the_model_lacks_is_nearly_impossible() -> None:
    assert measured([line("c", "a", 1.0, scores={"a": 1.0, "b": 0.0})])["nll"] == pytest.approx(52 * math.log(2))


def test_calibration_error_by_hand() -> None:
    # of 15 bins, the tenth is (0.6, 0.667]: 2 of 3 right at 0.65; the last: 1 of 1 at 0.98
    lines = [line("a", "a", 0.65), line("a", "a", 0.65), line("b", "a", 0.65), line("a", "a", 0.98)]
    found = measure("sentiment", lines, num_resamples=0)
    assert found.metrics["ece"] == pytest.approx(100 * (3 / 4 * abs(2 / 3 - 0.65) + 1 / 4 * 0.02))
    assert found.calibration == [
        {"confidence": pytest.approx(0.65), "accuracy": pytest.approx(2 / 3), "num": 3},
        {"confidence": pytest.approx(0.98), "accuracy": 1.0, "num": 1},
    ]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_error_is_that_of_its_bins(answers: list[tuple[float, bool]]) -> None:
    found = measure("sentiment", [line("a", "a" if right else "b", score) for score, right in answers], num_resamples=0)
    error = sum(own["num"] * abs(own["confidence"] - own["accuracy"]) for own in found.calibration) / len(answers)
    assert found.metrics["ece"] == pytest.approx(100 * error)
    assert sum(own["num"] for own in found.calibration) == len(answers)


def test_the_signature_has_the_number_of_bins() -> None:
    assert measured([line("a", "a")])["signatures"] == {"ece": "bins:15|width:equal|norm:l1"}


def test_edges_of_bins_belong_to_the_lower_one() -> None:
    task = SentimentTask()
    for score in (0.0, 1 / 15, 1.0):
        task.segment(line("a", "a", score))
    assert [own["num"] for own in task.calibration()] == [2, 1]


def test_the_measure_of_a_text_is_the_right_labels_probability() -> None:
    task = SentimentTask()
    scored = task.segment(line("b", "a", 0.7, scores={"a": 0.7, "b": 0.2, "c": 0.1}))
    right, wrong = task.segment(line("a", "a", 0.7)), task.segment(line("b", "a", 0.7))
    assert scored is not None
    assert right is not None
    assert wrong is not None
    assert [own.measure for own in (scored, right, wrong)] == pytest.approx([0.2, 0.7, 0.3])


def test_which_texts_are_right() -> None:
    task = SentimentTask()
    segments = [task.segment(line("a", "a")), task.segment(line("b", "a"))]
    assert task.right(numpy.array([own.statistics for own in segments if own is not None])).tolist() == [True, False]


def test_a_text_with_two_right_labels_is_refused() -> None:
    with pytest.raises(InvalidInput, match="line 3: a text has one right label, not 2"):
        measured([{**line("a", "a"), "line": 3, "expected": ["a", "b"]}])


def test_a_column_that_is_none_of_labels_is_refused_early() -> None:
    """Each of its values was taken for a label: the report grew with their square, and its time with their cube."""
    scores = {"negative": 0.5, "positive": 0.5}
    own = [{**line(f"review {n}", "positive", scores=scores), "line": n} for n in range(MOST_FOREIGN + 1)]
    assert len(measured(own[:-1])["confusion"]) == MOST_FOREIGN + 1
    with pytest.raises(InvalidInput) as caught:
        measured(own)
    assert caught.value.message == (
        "line 200: more than 200 expected labels are none of the service's; is that the column of labels? Expected are "
        "'review 0', 'review 1', 'review 2', 'review 3', 'review 4', …; the service's are 'negative', 'positive'"
    )


def test_a_service_may_have_many_labels() -> None:
    names = [f"label {n}" for n in range(2 * MOST_FOREIGN)]
    scores = dict.fromkeys(names, 1 / len(names))
    assert measured([line(name, name, scores=scores) for name in names])["accuracy"] == 100


def test_labels_are_told_apart_by_what_is_read() -> None:
    """`negative ` was another label than `negative`, and a label in decomposed characters than the service's."""
    scores = {"schön": 0.75, normalize("NFD", "öde") + " ": 0.25}
    found = measured(
        [line(normalize("NFD", "schön "), "schön", 0.75, scores=scores), line("öde", "schön", 0.75, scores=scores)]
    )
    assert found["confusion"] == {"schön": {"schön": 1, "öde": 0}, "öde": {"schön": 1, "öde": 0}}
    assert found["nll"] == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
