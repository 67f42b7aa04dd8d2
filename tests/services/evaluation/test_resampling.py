import numpy
import pytest

from rondo_services.evaluation import resampling
from rondo_services.evaluation.resampling import (
    bootstrap_weights,
    percentile_interval,
    swap_weights,
    weighted_sums,
)


@pytest.mark.parametrize("num_texts", [1, 2, 97, 1001])
def test_resamples_are_sacrebleus(num_texts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are drawn at once, and in however many pieces, they are those of one large `choice`."""
    expected = numpy.random.default_rng(12345).choice(num_texts, size=(50, num_texts), replace=True)
    counts = numpy.stack([numpy.bincount(row, minlength=num_texts) for row in expected])
    for weights, drawn in ((2**24, 2**16), (3 * num_texts, 10), (1, 64)):
        monkeypatch.setattr(resampling, "_MOST_WEIGHTS", weights)
        monkeypatch.setattr(resampling, "_MOST_DRAWN", drawn)
        assert (numpy.concatenate(list(bootstrap_weights(num_texts, 50, 12345))) == counts).all()


@pytest.mark.parametrize("num_texts", [1, 33, 1001])
def test_swaps_are_sacrebleus(num_texts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = numpy.random.default_rng(7).integers(2, size=(100, num_texts), dtype=bool)
    for most in (2**24, 40 * num_texts, 1):
        monkeypatch.setattr(resampling, "_MOST_WEIGHTS", most)
        assert (numpy.concatenate(list(swap_weights(num_texts, 100, 7))) == expected).all()


def test_few_weights_are_in_memory_at_once() -> None:
    for weights in bootstrap_weights(40_000, 1000, 1):
        assert weights.nbytes <= 2**24


def test_sums_are_those_of_each_cell() -> None:
    generator = numpy.random.default_rng(1)
    statistics, cells = generator.random((100, 3)), generator.integers(4, size=100)
    weights = generator.integers(5, size=(6, 100)).astype(numpy.uint8)
    blocks = [(cells[i : i + 17], statistics[i : i + 17]) for i in range(0, 100, 17)]
    sums = weighted_sums(weights, blocks, 5, 3)
    for cell in range(5):
        for draw in range(6):
            own = sum((weights[draw, i] * statistics[i] for i in range(100) if cells[i] == cell), numpy.zeros(3))
            assert sums[cell, draw] == pytest.approx(own)


def test_the_interval_is_the_middle_of_what_is_defined() -> None:
    values = numpy.array([*range(1001), numpy.nan])
    assert percentile_interval(values) == pytest.approx((25, 975))
    assert percentile_interval(numpy.array([numpy.nan])) is None
    assert percentile_interval(numpy.array([1.0, numpy.inf])) is None
