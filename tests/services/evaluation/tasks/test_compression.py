from typing import Any
from unicodedata import normalize

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.measuring import measure


def line(kept: str, expected: str) -> dict[str, Any]:
    """A text of letters, of which the upper-case ones are kept."""

    def text_of(flags: list[bool]) -> str:
        return " ".join(letter for letter, own in zip(kept.lower(), flags, strict=True) if own)

    own, right = ([letter.isupper() for letter in letters] for letters in (kept, expected))
    return {
        "text": " ".join(kept.lower()),
        "summary": text_of(own),
        "expected": [text_of(right)],
        "kept": own,
        "expected_kept": right,
        "language": "en",
    }


def metrics(*lines: dict[str, Any]) -> dict[str, Any]:
    return measure("compression", lines, num_resamples=0).metrics


def test_f1_by_hand() -> None:
    found = metrics(line("ABcd", "AbCd"), line("ABCDEf", "ABCDEf"))
    # kept 2 + 5, expected 2 + 5, both 1 + 5; of the first text alone 1/2, of the second 1
    assert found["f1"] == pytest.approx(100 * 12 / 14)
    assert found["f1_per_text"] == pytest.approx(75)
    assert found["word_accuracy"] == pytest.approx(100 * 8 / 10)
    assert found["exact"] == pytest.approx(50)
    assert (found["kept_share"], found["expected_kept_share"]) == (70, 70)
    # "a b" beside "a c", and the same
    assert found["rouge1"] == pytest.approx(75)
    assert found["rouge2"] == pytest.approx(50)


def test_keeping_nothing_is_right_only_if_nothing_should_be_kept() -> None:
    assert metrics(line("ab", "Ab"))["f1_per_text"] == 0
    assert metrics(line("ab", "Ab"))["f1"] == 0
    nothing = {**line("ab", "ab"), "expected": ["-"]}
    assert metrics(nothing)["f1_per_text"] == 100
    assert metrics(nothing)["f1"] is None


def test_the_worst_texts_are_told_with_what_was_made_of_them() -> None:
    measured = measure("compression", [line("AB", "AB"), line("ABcd", "abCD")], num_resamples=0)
    worst = measured.worst[0]
    assert (worst["text"], worst["predicted"], worst["expected"], worst["score"]) == ("a b c d", "a b", ["c d"], 0)
    assert measured.histogram["measure"] == "F1"


def test_intervals_surround_the_figures() -> None:
    lines = [line(("ABcd", "AbCd", "abCD")[n % 3], "ABcd") for n in range(30)]
    measured = measure("compression", lines, num_resamples=200)
    for name in ("f1", "f1_per_text", "rougeL", "exact"):
        low, high = measured.intervals[name]
        assert low <= measured.metrics[name] <= high
        assert low < high


def test_lines_without_anything_expected_do_not_count() -> None:
    found = metrics(line("ABcd", "AbCd"), {**line("AB", "ab"), "expected": []})
    assert (found["f1"], found["num_without_expected"]) == (50, 1)


@pytest.mark.parametrize("kept", [[True], [], [True, False, True]])
def test_each_word_needs_both(kept: list[bool]) -> None:
    with pytest.raises(InvalidInput, match=r"line 7: 'kept' has \d words and 'expected_kept' 2"):
        metrics({**line("AB", "AB"), "kept": kept, "line": 7})


def test_how_characters_are_composed_does_not_count() -> None:
    """What is kept is cut from the text as it is."""
    own = {**line("AB", "AB"), "summary": normalize("NFD", "schöne Übung"), "expected": ["schöne Übung"]}
    assert metrics(own)["rouge2"] == 100
