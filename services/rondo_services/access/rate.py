"""A rate limit: the token bucket.

The package `limits` was tried first: its store in memory starts a thread a hundred times a second while it is in use.
"""

import math


class TokenBucket:
    """Holds at most as many tokens as a minute brings, and is full at first.

    Args:
        now: a second of any clock, as in all methods; one that goes back brings nothing.
    """

    __slots__ = ("_at", "_level", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._level = float(per_minute)
        self._at = now

    def take(self, now: float) -> float:
        """Take one; 0, or in how many seconds there will be one if there is none now."""
        self._fill(now)
        if self._level < 1:
            return (1 - self._level) * 60 / self.per_minute
        self._level -= 1
        return 0.0

    def left(self, now: float) -> int:
        """How many can be taken now."""
        self._fill(now)
        return int(self._level)

    def full_in_s(self, now: float) -> int:
        """In how many seconds, rounded up, it will be full."""
        self._fill(now)
        return math.ceil((self.per_minute - self._level) * 60 / self.per_minute)

    def _fill(self, now: float) -> None:
        brought = max(0.0, now - self._at) * self.per_minute / 60
        self._level = min(float(self.per_minute), self._level + brought)
        self._at = now
