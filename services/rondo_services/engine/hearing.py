"""For how long nothing was heard of an engine, as told by a process that may have been held up itself.

Whoever was stopped for a minute (a paused container, a machine that stood still) finds no sign of that minute, though
the engine gave some, which are still to be read. So between two looks only some seconds count.
"""

import time

_MOST_AT_ONCE_S = 5.0
"""Between two looks; it is usual to look every second."""


class Hearing:
    """The silence since the last sign of life; to be looked at now and then."""

    def __init__(self) -> None:
        self.heard()

    def heard(self) -> None:
        """There was a sign of life."""
        self._silent_s = 0.0
        self._looked_at = time.monotonic()

    def look(self) -> float:
        """Seconds of silence in which a sign would have been noticed."""
        now = time.monotonic()
        self._silent_s += min(now - self._looked_at, _MOST_AT_ONCE_S)
        self._looked_at = now
        return self._silent_s
