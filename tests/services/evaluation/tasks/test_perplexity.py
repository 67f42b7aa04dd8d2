import math
from typing import Any

import pytest

from rondo_services.evaluation.measuring import measure


def line(nats: float, tokens: int, words: int, **more: Any) -> dict[str, Any]:
    return {"text": "t", "nats": nats, "num_tokens": tokens, "num_words": words, **more}


def test_perplexity_is_that_of_all_texts_together() -> None:
    metrics = measure("perplexity", [line(6.0, 3, 2), line(2.0, 1, 2)], num_resamples=0).metrics
    assert metrics == {
        "word_perplexity": pytest.approx(math.exp(2)),
        "token_perplexity": pytest.approx(math.exp(2)),
        "nats": 8.0,
        "num_tokens": 4,
        "num_words": 4,
    }


def test_the_worst_are_the_least_likely_a_word() -> None:
    found = measure("perplexity", [line(6.0, 3, 6, line=1), line(4.0, 1, 2, line=2)], num_resamples=0)
    assert found.worst == [
        {"line": 2, "text": "t", "expected": [], "score": 2.0},
        {"line": 1, "text": "t", "expected": [], "score": 1.0},
    ]


def test_the_histogram_has_room_for_all() -> None:
    lines = [line(own, 1, 1) for own in (0.2, 0.6, 0.7, 2.0, 60.0)]
    found = measure("perplexity", lines, num_resamples=0).histogram
    assert sum(found["counts"]) == 5
    assert (found["edges"][0], found["edges"][-1]) == (0.0, 60.0)
    assert found["counts"][:2] == [1, 2]
    few = measure("perplexity", lines[:3], num_resamples=0).histogram
    assert few == {"measure": "nats per word", "edges": [0.0, 0.5, 1.0], "counts": [1, 2]}


def test_what_is_too_large_or_undefined_is_none() -> None:
    huge = measure("perplexity", [line(1e6, 1, 1)] * 3, num_resamples=10)
    assert huge.metrics["word_perplexity"] is None
    assert huge.intervals == {}
    empty = measure("perplexity", [line(0.0, 0, 0)] * 3, num_resamples=10)
    assert empty.metrics["word_perplexity"] is None
    assert empty.worst == []


def test_languages_are_told_apart_where_lines_name_them() -> None:
    lines = [line(2.0, 1, 1, language="en"), line(4.0, 1, 1, language="ko"), line(9.0, 1, 1)]
    found = measure("perplexity", lines, num_resamples=0).breakdowns["language"]
    assert [(own["name"], own["num"]) for own in found] == [("en", 1), ("ko", 1)]
    assert found[1]["metrics"]["word_perplexity"] == pytest.approx(math.exp(4))
