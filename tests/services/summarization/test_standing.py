"""How a sentence stands in its text, in numbers."""

import numpy
import pytest

from rondo_services.calibrated import uncalibrated
from rondo_services.summarization.extraction import salience
from rondo_services.summarization.standing import NUM_TRAITS, StandingWeights, log_odds, standing_of

SENTENCES = ["The boat is slow.", "A slow train.", *["More of it."] * 10]


def test_places_from_both_ends_are_told_apart_up_to_the_eighth() -> None:
    traits = standing_of(SENTENCES)
    assert traits.shape == (12, NUM_TRAITS)
    assert traits[:, :8].argmax(axis=1).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7]
    assert traits[:, 8:16].argmax(axis=1).tolist() == [7, 7, 7, 7, 7, 6, 5, 4, 3, 2, 1, 0]
    assert traits[:, :16].sum(axis=1).tolist() == [2] * 12


def test_share_before_length_and_centrality_follow() -> None:
    traits = standing_of(SENTENCES)
    assert traits[:, 16] == pytest.approx(numpy.arange(12) / 12)
    assert traits[:2, 17] == pytest.approx([2 * 4 / 60, 2 * 3 / 60])
    assert traits[:, 18] == pytest.approx(traits[:, 17] ** 2)
    assert traits[:, 19] == pytest.approx(salience(SENTENCES))
    assert standing_of(["word " * 100])[0, 17] == 2
    assert standing_of([]).shape == (0, NUM_TRAITS)


def test_log_odds_of_what_is_sure_are_finite() -> None:
    assert log_odds([0.5, 0.8]) == pytest.approx([0, numpy.log(4)])
    assert numpy.isfinite(log_odds([0.0, 1.0])).all()


def test_likelihoods_are_those_of_one_choice() -> None:
    traits = standing_of(SENTENCES[:3])
    plain = StandingWeights(1.0, (0.0,) * NUM_TRAITS).likelihoods([0.5, 0.8, 0.2], traits)
    assert plain == pytest.approx(numpy.array([1, 4, 0.25]) / 5.25)
    first = StandingWeights(1.0, (10.0, *(0.0,) * (NUM_TRAITS - 1))).likelihoods([0.5, 0.8, 0.2], traits)
    assert first.argmax() == 0
    assert first.sum() == pytest.approx(1)


def test_the_digest_tells_weights_apart() -> None:
    one, other = (StandingWeights(head, (0.0,) * NUM_TRAITS) for head in (1.0, 0.9))
    assert one.digest == StandingWeights(1.0, (0.0,) * NUM_TRAITS).digest != other.digest


def test_a_manifest_has_weights_or_none() -> None:
    values = {"languages": ["en"], "standing": {"head": 2, "traits": [1] * NUM_TRAITS, "num_texts": 60}}
    assert StandingWeights.from_manifest(values) == StandingWeights(2.0, (1.0,) * NUM_TRAITS)
    assert uncalibrated(values) == {"languages": ["en"]}
    assert StandingWeights.from_manifest(uncalibrated(values)) is None
