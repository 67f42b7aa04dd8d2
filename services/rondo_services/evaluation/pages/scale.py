"""Places of numbers on an axis, in percent of its length, with round numbers as ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, both of them ticks."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """From low to high."""
        count = round((self.high - self.low) / self.step)
        return tuple(round(self.low + i * self.step, 12) + 0.0 for i in range(count + 1))  # -0.0 becomes 0

    @property
    def decimals(self) -> int:
        """That ticks need to be told apart."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))

    def at(self, value: float) -> float:
        """0 to 100; what lies outside is put at the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)


def scale_over(
    values: Iterable[float],
    *,
    from_zero: bool = False,
    most_steps: int = 5,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> Scale:
    """The shortest axis with round ends that holds all finite values; it has about so many steps at most.

    Args:
        ends: beyond which there are no such values; where all are equal, the axis shows no more than that around them.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):
        margin = abs(low) / 20 or 0.5
        low, high = low if from_zero else max(low - margin, ends[0]), min(high + margin, ends[1])
    step = _round_up((high - low) / most_steps)
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(first, last, step)


def _round_up(step: float) -> float:
    """The next of 1, 2, 5, 10, … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
