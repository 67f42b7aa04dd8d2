"""For how long nothing was heard of an engine, as told by a process that may have been held up itself.

Whoever was stopped for a minute (a paused container, a machine that stood still) finds no sign of that minute, though
the engine gave some, which are still to be read. So the time between two looks is never enough to give an engine up.
"""

import time


class Hearing:
    """The silence since the last sign of life; to be looked at now and then.

    Args:
        hang_s: of silence mean that the engine hangs; half of that is the most that counts between two looks.
    """

    def __init__(self, hang_s: float) -> None:
        self._most_at_once_s = hang_s / 2
        self.heard()

    def heard(self) -> None:
        """There was a sign of life."""
        self._silent_s = 0.0
        self._looked_at = time.monotonic()

    def look(self) -> float:
        """Seconds of silence in which a sign would have been noticed."""
        now = time.monotonic()
        self._silent_s += min(now - self._looked_at, self._most_at_once_s)
        self._looked_at = now
        return self._silent_s
