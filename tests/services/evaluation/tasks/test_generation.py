import pytest

from rondo_services.evaluation.measuring import measure


def test_distinct_has_no_interval() -> None:
    """A resample repeats texts, which is what it counts."""
    found = measure("generation", [{"text": "p", "continuation": "a b"}] * 10, num_resamples=20)
    assert set(found.intervals) == {"repetition", "mean_length"}


def test_diversity_by_hand() -> None:
    texts = ["a b c d", "a a a a a", ""]
    found = measure("generation", [{"text": "p", "continuation": own} for own in texts], num_resamples=100)
    assert found.metrics == {
        "repetition": pytest.approx(100 * (0 + 0.5 + 0) / 3),
        "mean_length": pytest.approx(3),
        "distinct1": pytest.approx(100 * 4 / 9),
        "distinct2": pytest.approx(100 * 4 / 7),
        "distinct3": pytest.approx(100 * 3 / 5),
    }
    assert found.worst[0]["predicted"] == "a a a a a"
    assert found.worst[0]["score"] == pytest.approx(50)
    assert found.histogram["measure"] == "repetition"
