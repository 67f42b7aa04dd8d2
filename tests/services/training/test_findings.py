"""What of a report is kept: which failures, and which texts may be shown."""

from typing import Any

import pytest

from rondo_services.evaluation.bias.frames import Frame
from rondo_services.evaluation.bias.sentiment import Scored, measured_swaps
from rondo_services.evaluation.bias.translation import Sentence, gender_choices
from rondo_services.training.card_findings import bias, failures
from rondo_services.training.findings import failures_of, probe_of, score_of


def _report(data: str, worst: list[dict[str, Any]], task: str = "sentiment", **settings: str) -> dict[str, Any]:
    return {
        "task": task,
        "data": data,
        "split": "test",
        "settings": settings,
        "worst": worst,
        "histogram": {"measure": "p(label)" if task == "sentiment" else "chrF"},
    }


def _answer(line: int, text: str, predicted: str = "negative", score: float = 0.1) -> dict[str, Any]:
    return {"line": line, "text": text, "expected": ["positive"], "predicted": predicted, "score": score}


def test_the_worst_short_ones_are_chosen() -> None:
    worst = [_answer(1, "long " * 50), *(_answer(n, f"short {n}") for n in (2, 3)), _answer(4, "right", "positive")]
    kept = failures_of(_report("nsmc", worst))
    assert [one["row"] for one in kept] == [2, 3, 1]  # and none that is right, though unsure
    assert kept[0]["text"] == "short 2"
    assert kept[2]["text"].endswith(" …")
    assert len(kept[2]["text"]) <= 202
    assert (kept[0]["expected"], kept[0]["answered"], kept[0]["score"]) == (["positive"], "negative", 0.1)


@pytest.mark.parametrize("data", ["imdb", "reviews.csv"])
def test_texts_that_may_not_be_handed_on_are_left_out(data: str) -> None:
    worst = [_answer(1, "long " * 50, score=0.01), _answer(2, "short", score=0.02)]
    kept = failures_of(_report(data, worst))
    assert [one["row"] for one in kept] == [1, 2]  # as they came
    assert not any("text" in one for one in kept)
    assert kept[0]["answered"] == "negative"  # a label
    (translated,) = failures_of(_report("ui-en-de", [_answer(3, "Open", "Zu", 2.0)], "translation", source="en"))
    assert not {"text", "expected", "answered"} & translated.keys()


def test_tasks_without_answers_have_no_failures() -> None:
    assert (
        failures_of(_report("wikitext2", [{"line": 1, "text": "a", "expected": [], "score": 3.0}], "perplexity")) == []
    )


def test_texts_of_which_nothing_was_expected_do_not_count() -> None:
    report = _report("reviews.csv", []) | {"num_examples": 120, "signature": "s"}
    assert score_of({**report, "metrics": {"accuracy": 90.0, "num_without_expected": 108}})["num_texts"] == 12
    assert score_of({**report, "metrics": {"accuracy": 90.0}})["num_texts"] == 120


def test_failures_are_tables_of_their_data_set() -> None:
    pair = _report("stylekqc", [_answer(7, "줄 | 바꿈", "A\nB", 3.21)], "translation", source="ko", target="en")
    records = failures_of(pair) + failures_of(_report("imdb", [_answer(9, "a review")]))
    text = "\n\n".join(failures(records, is_measured=True))
    assert "**translation, ko→en, stylekqc test**" in text
    assert "| row | text | expected | answered | chrF |" in text
    assert "| 7 | 줄 &#124; 바꿈 | positive | A<br>B | 3.21 |" in text
    assert "| row | expected | answered | Probability of the expected label |" in text
    assert "a review" not in text


def _frames(source: str) -> list[Frame]:
    return [Frame("en", "name", source, n, "neutral", (("A", f"A text {n}"), ("B", f"B text {n}"))) for n in range(12)]


@pytest.fixture
def probe() -> dict[str, Any]:
    frames = [*_frames("sentences"), *_frames("sst2")]
    scores = [[Scored("positive", 0.9), Scored("negative", 0.2)]] * 24
    sentences = [
        Sentence("en", "de", cue, "doctor", ("Arzt", "Ärztin"), f"The doctor, {cue}.") for cue in ("none", "female")
    ]
    return {
        "data": "sentences+sst2",
        "split": "dev",
        "settings": {"label": "positive"},
        "signature": "bundle:abc|n:3",
        "bias": {
            "sentiment": [own.as_record() for own in measured_swaps(frames, scores, ["en"])],
            "translation": [own.as_record() for own in gender_choices(sentences, ["Der Arzt.", "Der Arzt."])],
        },
    }


def test_a_probe_is_kept_without_texts_that_may_not_be_handed_on(probe: dict[str, Any]) -> None:
    own, other = probe_of(probe)["sentiment"]
    assert (own["lowest"]["name"], own["highest"]["name"]) == ("B", "A")
    assert own["lowest"]["shift"] == pytest.approx(-0.35)
    assert [side["text"] for side in own["worst"]["sides"]] == ["A text 0", "B text 0"]
    assert other["worst"]["row"] == 0
    assert not any("text" in side for side in other["worst"]["sides"])
    assert "groups" not in own


def test_the_card_tells_what_a_probe_found(probe: dict[str, Any]) -> None:
    text = "\n\n".join(bias([probe_of(probe)]))
    assert (
        "| English | name | our sentences | 12 | 100.0 % (100.0 to 100.0) | 0.700 / 0.700 "
        "| B -0.350 (-0.350 to -0.350) | A +0.350 (0.350 to 0.350) |"
    ) in text
    assert "| English | name | sst2 | 12 |" in text
    assert "| English | name | A: A text 0 → positive, 0.900 | B: B text 0 → negative, 0.200 |" in text
    assert "| English | name, sst2 row 0 | A: positive, 0.900 | B: negative, 0.200 |" in text
    assert "| en→de | no gender | 1 | 100.0 % | 0.0 % | 0.0 % |" in text
    assert "en→de, where no gender is told, mostly male doctor." in text
    assert "| en→de | The doctor, female. | Der Arzt. | male |" in text
    assert "`bundle:abc|n:3`" in text
