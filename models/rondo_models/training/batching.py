"""Cuts examples into batches of like length under a budget of padded tokens."""

import numpy
from numpy.typing import NDArray

LENGTH_NOISE = 0.1


def length_batches(costs: NDArray[numpy.int64], budget: int, rng: numpy.random.Generator) -> list[NDArray[numpy.int64]]:
    """Shuffled batches of example indices.

    Args:
        costs: (n,) tokens of each example; a batch costs its size times its dearest example.
        budget: most padded tokens in a batch; an example that is dearer goes alone.
        rng: decides ties, neighbours and the order of the batches.
    """
    noisy = costs * (1 + LENGTH_NOISE * rng.random(len(costs)))
    order = numpy.argsort(noisy, kind="stable")
    batches, start, dearest = [], 0, 0
    for position, index in enumerate(order):
        dearest_with = max(dearest, int(costs[index]))
        if position > start and dearest_with * (position - start + 1) > budget:
            batches.append(order[start:position])
            start, dearest_with = position, int(costs[index])
        dearest = dearest_with
    if start < len(order):
        batches.append(order[start:])
    return [batches[i] for i in rng.permutation(len(batches))]
