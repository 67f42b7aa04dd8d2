"""How much of the engine batch requests get: all while nobody else asks, little while interactive requests are there,
and something between for a short time after them, as the next one should not meet a long step.

Knows no tensor and no queue. Rows that are being written can't be taken away, but they can pause: their state has a
fixed size, and waits as it is.
"""

from dataclasses import dataclass
from typing import Literal

from .scheduler import BatchRoom, Limits

_BETWEEN = 8
"""Times as many rows are written while no interactive request is there, but was a short time ago."""

_AHEAD = 16
"""Times the rows beside an interactive request are begun: so that there need be few cuts, and none beside it."""

_LEAST_SHARE = 4
"""The rows beside an interactive request are at most the fourth part of all: so there is room for it at once."""


@dataclass(slots=True)
class BatchShare:
    """What interactive requests leave to batch requests now.

    Attributes:
        state: "all" while there are no others, "beside" others, or "between" them.
    """

    limits: Limits
    state: Literal["all", "beside", "between"] = "all"
    _seen_at: float = float("-inf")

    def look(self, now: float, *, interactive: bool) -> None:
        """Note whether there is any interactive request now."""
        if interactive:
            self._seen_at = now
            self.state = "beside"
        else:
            self.state = "between" if now - self._seen_at < self.limits.batch_returns_s else "all"

    @property
    def _beside(self) -> int:
        return min(self.limits.batch_rows, max(1, self.limits.max_rows // _LEAST_SHARE))

    @property
    def rows(self) -> int:
        """Rows of batch requests that may be written now; one request always may."""
        if self.state == "all":
            return self.limits.max_rows
        return min(self.limits.max_rows, self._beside * (_BETWEEN if self.state == "between" else 1))

    @property
    def tokens(self) -> int | None:
        """Tokens of batch requests to read between two steps; one request always may be read. None: as of others."""
        return None if self.state == "all" else self.limits.batch_tokens

    def room(self, held_rows: int, *, is_reading: bool) -> BatchRoom:
        """For batch requests in the next cut.

        Args:
            held_rows: of batch requests, paused ones too.
            is_reading: whether texts or prompts of batch requests are still being read.
        """
        if self.state == "all":
            return BatchRoom(held_rows, self.limits.max_rows)
        most = min(self.limits.max_rows, self._beside * _AHEAD)
        enough = self._beside if self.state == "beside" else most - self._beside * _BETWEEN
        return BatchRoom(held_rows, most, self.tokens, is_open=not is_reading and held_rows <= enough)
