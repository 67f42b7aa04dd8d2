import json
import random
from collections import UserDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy
import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.measuring import NUM_WORST, Worst, measure


def sentiment_lines(num: int, languages: tuple[str, ...] = ("en", "ko")) -> Iterator[dict[str, Any]]:
    generator = random.Random(1)
    for number in range(1, num + 1):
        positive = generator.random()
        yield {
            "line": number,
            "text": "word " * generator.choice([1, 5, 6, 30, 500]),
            "expected": ["positive" if generator.random() < positive else "negative"],
            "label": "positive" if positive > 0.5 else "negative",
            "score": max(positive, 1 - positive),
            "scores": {"positive": positive, "negative": 1 - positive},
            "language": generator.choice(languages),
        }


def test_the_interval_of_accuracy_is_that_of_its_binomial() -> None:
    """Independent of how resamples are drawn: 1.96 standard errors to either side."""
    lines = list(sentiment_lines(2000))
    found = measure("sentiment", lines, num_resamples=2000)
    share = sum(line["label"] == line["expected"][0] for line in lines) / len(lines)
    half = 100 * 1.96 * (share * (1 - share) / len(lines)) ** 0.5
    low, high = found.intervals["accuracy"]
    assert found.metrics["accuracy"] == pytest.approx(100 * share)
    assert (low, high) == pytest.approx((100 * share - half, 100 * share + half), abs=0.2)
    assert found.bootstrap == {"method": "percentile", "resamples": 2000, "seed": 12345}


def test_the_same_seed_gives_the_same_record() -> None:
    records = [
        measure("sentiment", sentiment_lines(300), num_resamples=50, seed=seed).as_record() for seed in (1, 1, 2)
    ]
    assert records[0] == records[1]
    assert records[0]["intervals"] != records[2]["intervals"]


def test_the_record_is_json_without_nan() -> None:
    for task, lines in (
        ("sentiment", list(sentiment_lines(30))),
        ("sentiment", []),
        ("translation", []),
        ("summarization", []),
        ("generation", []),
        ("perplexity", []),
        ("generation", [{"text": "", "continuation": ""}]),
    ):
        record = measure(task, lines, target_language="en", num_resamples=5).as_record()
        json.dumps(record, allow_nan=False)
        assert set(record) == {
            "metrics", "intervals", "bootstrap", "breakdowns", "worst", "calibration", "histogram",
        }  # fmt: skip


def test_nothing_measured_is_none_and_not_an_error() -> None:
    found = measure("sentiment", [{"text": "t", "label": "a", "score": 0.5}] * 2)
    assert found.metrics["accuracy"] is None
    assert found.metrics["num_without_expected"] == 2
    assert (found.intervals, found.breakdowns, found.worst) == ({}, {}, [])


def test_few_texts_have_no_interval() -> None:
    """Two texts that were both right had one of 100 to 100."""
    few, enough = (measure("sentiment", sentiment_lines(num), num_resamples=50) for num in (9, 10))
    assert few.intervals == {}
    assert "accuracy" in enough.intervals
    lines = [*sentiment_lines(30, ("en",)), *sentiment_lines(2, ("ko",))]
    groups = measure("sentiment", lines, num_resamples=50).breakdowns["language"]
    assert [(group["num"], bool(group["intervals"])) for group in groups] == [(30, True), (2, False)]


def test_groups_are_measured_as_if_they_were_alone() -> None:
    lines = list(sentiment_lines(400))
    found = measure("sentiment", lines, num_resamples=200)
    for kind, name_of in (("length", _length), ("language", lambda line: line["language"])):
        groups = found.breakdowns[kind]
        assert sum(group["num"] for group in groups) == 400
        for group in groups:
            own = [line for line in lines if name_of(line) == group["name"]]
            alone = measure("sentiment", own, num_resamples=200)
            assert group["num"] == len(own)
            assert group["metrics"] == pytest.approx({name: alone.metrics[name] for name in group["metrics"]})
            for name, (low, high) in group["intervals"].items():
                # not the same: how many texts of the group a resample has varies
                assert (low, high) == pytest.approx(alone.intervals[name], abs=0.3 * (high - low))


def _length(line: dict[str, Any]) -> str:
    names = {1: "0–5 words", 5: "0–5 words", 6: "6–10 words", 30: "21–40 words", 500: "over 320 words"}
    return names[len(line["text"].split())]


def test_groups_come_in_the_order_of_their_length() -> None:
    names = [
        group["name"] for group in measure("sentiment", sentiment_lines(100), num_resamples=0).breakdowns["length"]
    ]
    assert names == ["0–5 words", "6–10 words", "21–40 words", "over 320 words"]


def test_the_worst_texts_are_shown_worst_first() -> None:
    lines = list(sentiment_lines(200))
    found = measure("sentiment", lines, num_resamples=0)
    ranked = sorted(lines, key=lambda line: line["scores"][line["expected"][0]])[:NUM_WORST]
    assert [own["line"] for own in found.worst] == [line["line"] for line in ranked]
    assert found.worst[0] == {
        "line": ranked[0]["line"],
        "text": ranked[0]["text"],
        "expected": ranked[0]["expected"],
        "predicted": ranked[0]["label"],
        "score": ranked[0]["scores"][ranked[0]["expected"][0]],
    }


def test_of_equally_bad_texts_the_first_are_kept() -> None:
    worst = Worst(2, higher_is_better=True)
    for number in range(5):
        worst.offer({"line": number, "text": ""}, "", 0.0)
    worst.offer({"line": 9, "text": ""}, "", -1.0)
    worst.offer({"line": 10, "text": ""}, "", float("nan"))
    assert [own["line"] for own in worst.entries()] == [9, 0]


def test_the_histogram_counts_every_text_once() -> None:
    lines = list(sentiment_lines(500))
    found = measure("sentiment", lines, num_resamples=0).histogram
    expected, edges = numpy.histogram([line["scores"][line["expected"][0]] for line in lines], 20, (0, 1))
    assert found["counts"] == expected.tolist()
    assert found["edges"] == pytest.approx(edges.tolist())


def test_predictions_are_not_kept() -> None:
    """However many they are, only the worst are in memory: jobs have millions."""

    class Line(UserDict[str, Any]):
        __hash__ = object.__hash__

    alive: WeakSet[Line] = WeakSet()
    most = 0

    def lines() -> Iterator[Line]:
        nonlocal most
        for own in sentiment_lines(3000):
            line = Line(own)
            alive.add(line)
            yield line
            del line
            most = max(most, len(alive))

    measure("sentiment", lines(), num_resamples=0)
    assert most <= NUM_WORST + 2


def test_numbers_go_to_the_scratch_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        measure("sentiment", sentiment_lines(1), scratch=tmp_path / "missing")
    measure("sentiment", sentiment_lines(3000), num_resamples=2, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"line": 7, "label": "a", "score": 1.0}, "line 7: 'text' is missing"),
        ({"line": 7, "text": "t", "expected": ["a"], "score": 1.0}, "line 7: 'label' is missing"),
        ({"line": 7, "text": "t", "expected": ["a"], "label": "a", "score": "1"}, "line 7: 'score' is str, not float"),
        ({"line": 7, "text": "t", "expected": "a", "label": "a", "score": 1}, "line 7: 'expected' is str, not list"),
        ({"line": 7, "text": "t", "expected": [1], "label": "a", "score": 1}, "line 7: 'expected' must be a list"),
    ],
)  # fmt: skip
def test_what_is_no_prediction_is_refused(line: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        measure("sentiment", [line])


def test_unknown_tasks_and_languages_are_refused() -> None:
    with pytest.raises(InvalidInput, match="'requests' can't be measured; choose among compression, generation"):
        measure("requests", [])
    with pytest.raises(InvalidInput, match="say what language they are in"):
        measure("translation", [])
