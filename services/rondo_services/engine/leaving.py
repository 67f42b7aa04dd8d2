"""Says when to look whether anybody has stopped waiting for one of the requests, begun or not.

There may be hundreds, and to look at each of them between two steps takes as long as a few percent of a step.
"""

import math
from collections.abc import Iterable

from .requests import Ticket


class Leaving:
    """Knows of the earliest deadline, and of the last request that was cancelled."""

    def __init__(self) -> None:
        self._next_deadline = math.inf
        self._last_cancelling = Ticket.last_cancelling

    def came(self, tickets: Iterable[Ticket]) -> None:
        """There are some more requests."""
        deadlines = (ticket.deadline for ticket in tickets if ticket.deadline is not None)
        self._next_deadline = min(self._next_deadline, *deadlines, math.inf)

    def may_have_happened(self, now: float) -> bool:
        """Whether, since this was last asked, one was cancelled, or a deadline has passed by `now`."""
        last, self._last_cancelling = self._last_cancelling, Ticket.last_cancelling
        return last is not self._last_cancelling or now > self._next_deadline

    def left(self, tickets: Iterable[Ticket]) -> None:
        """All were looked at, and these go on."""
        self._next_deadline = math.inf
        self.came(tickets)
