"""The estimate of a translation's quality."""

import math

import pytest

from rondo_models.decoding.parameters import Hypothesis
from rondo_services.translation.quality import TranslationQuality, confidence

VALUES = {"pairs": [["en", "de"]], "quality": {"en-de": {"intercept": 0.1, "slope": 0.5, "num_texts": 60}}}


def _hypothesis(probability: float, num_ids: int = 3, reason: str = "stop") -> Hypothesis:
    total = math.log(probability) * (num_ids + 1)
    return Hypothesis(tuple(range(num_ids)), total / 2, total, reason)


def _quality() -> TranslationQuality:
    quality = TranslationQuality.from_manifest(VALUES)
    assert quality is not None
    return quality


def test_a_sentence_lies_on_the_line() -> None:
    assert _quality().of("en", "de", [(5, _hypothesis(0.6))]) == pytest.approx(0.1 + 0.5 * 0.6)


def test_sentences_count_by_their_lengths() -> None:
    estimate = _quality().of("en", "de", [(30, _hypothesis(0.9)), (10, _hypothesis(0.1, num_ids=50))])
    assert estimate == pytest.approx(0.1 + 0.5 * (0.75 * 0.9 + 0.25 * 0.1))


@pytest.mark.parametrize(
    "poor", [_hypothesis(0.9, reason="length"), _hypothesis(0.9, reason="loop"), _hypothesis(0.9, num_ids=0)]
)
def test_what_did_not_end_or_says_nothing_deserves_no_confidence(poor: Hypothesis) -> None:
    assert confidence([(4, poor)]) == 0
    assert _quality().of("en", "de", [(4, poor)]) == pytest.approx(0.1)


@pytest.mark.parametrize(("intercept", "slope", "expected"), [(-0.5, 0.6, 0.0), (0.4, 0.9, 1.0)])
def test_it_stays_between_0_and_1(intercept: float, slope: float, expected: float) -> None:
    quality = TranslationQuality.from_manifest({"quality": {"en-de": {"intercept": intercept, "slope": slope}}})
    assert quality is not None
    assert quality.of("en", "de", [(4, _hypothesis(0.8))]) == expected


def test_nothing_is_told_without_calibration_or_sentences() -> None:
    assert TranslationQuality.from_manifest({"pairs": [["en", "de"]]}) is None
    assert _quality().of("de", "en", [(4, _hypothesis(0.8))]) is None
    assert _quality().of("en", "de", []) is None
