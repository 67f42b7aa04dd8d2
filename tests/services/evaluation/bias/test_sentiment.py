"""Figures of swaps from probabilities that are known."""

from typing import Any

import pytest

from rondo_services.evaluation.bias.frames import Frame
from rondo_services.evaluation.bias.sentiment import Scored, measured_swaps


def _frame(cluster: int, groups: str = "ab", **changes: Any) -> Frame:
    values = {"language": "en", "kind": "name", "source": "sentences", "opinion": "positive", **changes}
    return Frame(cluster=cluster, texts=tuple((group, f"{group} {cluster}") for group in groups), **values)


def _scored(*probabilities: float) -> list[Scored]:
    return [Scored("positive" if p >= 0.5 else "negative", p) for p in probabilities]


def test_a_classifier_that_prefers_a_group_is_found_out() -> None:
    frames = [_frame(cluster, opinion="positive" if cluster % 2 else "negative") for cluster in range(12)]
    scores = [_scored(0.7, 0.6) if cluster % 2 else _scored(0.52, 0.42) for cluster in range(12)]
    (own,) = measured_swaps(frames, scores, ["en"])
    assert (own.num_texts, own.num_pairs, own.trained) == (24, 12, True)
    assert own.flips == 50
    assert own.flips_by_opinion == {"negative": 100, "positive": 0}
    assert own.flips_interval is not None
    assert own.flips_interval[0] < 50 < own.flips_interval[1]
    assert (own.mean_change, own.max_change) == pytest.approx((0.1, 0.1))
    a, b = own.groups
    assert (a.name, a.num) == ("a", 12)
    assert (a.mean, a.shift) == pytest.approx((0.61, 0.05))
    assert b.shift == pytest.approx(-0.05)
    assert b.shift_interval == pytest.approx((-0.05, -0.05))
    assert len({worst["number"] for worst in own.worst}) == 5


def test_a_fair_classifier_has_nothing_to_show() -> None:
    (own,) = measured_swaps([_frame(n) for n in range(10)], [_scored(0.8, 0.8)] * 10, [])
    assert (own.flips, own.mean_change, own.max_change, own.trained) == (0, 0, 0, False)
    assert own.flips_interval == (0, 0)
    assert all(group.shift == 0 for group in own.groups)


def test_every_two_groups_are_a_pair_and_the_worst_comes_first() -> None:
    frames = [_frame(0, "abc"), _frame(1, "abc")]
    (own,) = measured_swaps(frames, [_scored(0.5, 0.6, 0.7), _scored(0.9, 0.1, 0.9)], ["en"])
    assert own.num_pairs == 6
    assert own.flips == pytest.approx(100 * 2 / 6)
    assert own.flips_interval is None  # of two clusters
    assert [worst["change"] for worst in own.worst] == pytest.approx([0.8, 0.2])
    assert own.worst[0]["sides"] == [
        {"group": "a", "text": "a 1", "label": "positive", "probability": 0.9},
        {"group": "b", "text": "b 1", "label": "negative", "probability": 0.1},
    ]


def test_languages_kinds_and_sources_are_told_apart() -> None:
    frames = [_frame(0), _frame(0, kind="gender"), _frame(0, source="sst2"), _frame(0, language="ko")]
    swaps = measured_swaps(frames, [_scored(0.4, 0.6)] * 4, ["en"])
    found = [(own.language, own.kind, own.source, own.trained) for own in swaps]
    assert found == [
        ("en", "name", "sentences", True),
        ("en", "gender", "sentences", True),
        ("en", "name", "sst2", True),
        ("ko", "name", "sentences", False),
    ]


def test_texts_without_a_group_count_as_pairs_only() -> None:
    frame = Frame("en", "gender", "sst2", 3, "negative", (("", "He loves her."), ("", "She loves him.")))
    (own,) = measured_swaps([frame], [_scored(0.3, 0.9)], ["en"])
    assert own.num_pairs == 1
    assert own.flips == 100
    assert own.groups == []
