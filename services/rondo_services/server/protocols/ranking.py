"""Labels of a text in the order in which Hugging Face's protocols tell them."""

import math
from collections.abc import Mapping

_LEAST = 1e-38
"""A probability of 0 has no logarithm."""


def ranked(probabilities: Mapping[str, float], *, raw: bool) -> list[tuple[str, float]]:
    """Labels with their scores, the likeliest first.

    Args:
        raw: logarithms of the probabilities, which a softmax turns into them again.
    """
    order = sorted(probabilities, key=lambda label: -probabilities[label])
    return [(label, math.log(max(probabilities[label], _LEAST)) if raw else probabilities[label]) for label in order]
