"""Random weights of texts, and sums of their statistics under many weights at once. Knows no metric and no text.

Resamples are those of sacreBLEU for the same seed: row by row, `Generator.choice` over all texts.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy
from numpy.typing import NDArray

from .segments import Cells, Values

Weights = NDArray[numpy.uint8]
"""(draws, texts): how often a text counts in a draw; in a resample nearly Poisson with mean 1, so a byte holds it."""

DEFAULT_SEED = 12345
"""sacreBLEU's."""

_MOST_WEIGHTS = 2**24
_MOST_DRAWN = 2**16
_MOST_MULTIPLIED = 2**19
_ALIGNED_DRAWS = 32
_ONE = numpy.uint8(1)


def bootstrap_weights(num_texts: int, num_resamples: int, seed: int) -> Iterator[Weights]:
    """Resamples with replacement (Efron 1979), some at a time: (some, texts)."""
    generator = numpy.random.default_rng(seed)
    for count in _portions(num_resamples, max(1, _MOST_WEIGHTS // max(1, num_texts))):
        weights = numpy.zeros((count, num_texts), numpy.uint8)
        for row in weights:
            for begin in range(0, num_texts, _MOST_DRAWN):
                drawn = generator.integers(0, num_texts, size=min(_MOST_DRAWN, num_texts - begin))
                numpy.add.at(row, drawn, _ONE)
        yield weights


def swap_weights(num_texts: int, num_trials: int, seed: int) -> Iterator[Weights]:
    """1 where a text's two answers stay with their systems, 0 where they are swapped: (some, texts)."""
    generator = numpy.random.default_rng(seed)
    together = _MOST_WEIGHTS // max(1, num_texts) // _ALIGNED_DRAWS * _ALIGNED_DRAWS
    for count in _portions(num_trials, max(_ALIGNED_DRAWS, together)):  # else bits of the generator would be lost
        yield generator.integers(2, size=(count, num_texts), dtype=numpy.bool_).view(numpy.uint8)


def _portions(total: int, most: int) -> Iterator[int]:
    for begin in range(0, total, most):
        yield min(most, total - begin)


def block_size(num_draws: int, num_sums: int) -> int:
    """Texts whose statistics are multiplied at once, so that memory stays small."""
    return max(64, min(_MOST_MULTIPLIED // max(1, num_draws), _MOST_MULTIPLIED // max(1, num_sums)))


def weighted_sums(weights: Weights, blocks: Iterable[tuple[Cells, Values]], num_cells: int, num_sums: int) -> Values:
    """Sums of statistics under each draw's weights, of each cell apart.

    Args:
        weights: (draws, texts).
        blocks: cells (block,) and statistics (block, sums) of the texts, in their order.

    Returns:
        (cells, draws, sums).
    """
    sums = numpy.zeros((num_cells, len(weights), num_sums))
    begin = 0
    for cells, statistics in blocks:
        own = weights[:, begin : begin + len(cells)]
        begin += len(cells)
        if (cells != cells[0]).any():
            order = numpy.argsort(cells, kind="stable")
            own, statistics, cells = own[:, order], statistics[order], cells[order]
        factors = own.astype(numpy.float64)
        edges = [0, *(numpy.flatnonzero(numpy.diff(cells)) + 1), len(cells)]
        for first, last in pairwise(edges):
            sums[cells[first]] += factors[:, first:last] @ statistics[first:last]
    return sums


def percentile_interval(values: Values) -> tuple[float, float] | None:
    """The middle 95 % of a metric's values in resamples; None if it is undefined or infinite in them."""
    defined = values[~numpy.isnan(values)]
    if not len(defined) or not numpy.isfinite(defined).all():
        return None
    low, high = numpy.percentile(defined, (2.5, 97.5))
    return float(low), float(high)
