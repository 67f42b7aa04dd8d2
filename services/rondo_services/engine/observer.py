"""What the engine tells of itself; the server's metrics override this, tests count with it."""

from collections import deque

from ..errors import RondoError
from .requests import Result, Ticket

_PACE_WINDOW_S = 10.0


class EngineObserver:
    """Counts, and the pace at which requests finish.

    Called on the engine's thread, save `admitted`, `queued` and `refused`.
    """

    def __init__(self) -> None:
        self._finish_times: deque[float] = deque(maxlen=4096)

    def restarted(self) -> None:
        """The engine's process died, and another is being started."""

    def stopped(self) -> None:
        """The engine has ended, and there will be no other."""

    def admitted(self, count: int) -> None:
        """So many requests were taken in."""

    def wrote(self, ticket: Ticket, gap_s: float, *, first: bool) -> None:
        """A listener got a token, so long after the one before or, if it is the first, after it had asked."""

    def cache_used(self, prompts: int, tokens: int) -> None:
        """So many prompts did not have to read so many tokens again."""

    def queued(self, waiting: int) -> None:
        """So many requests wait now."""

    def refused(self, count: int) -> None:
        """So many requests found the queue full."""

    def encoded(self, requests: int, tokens: int) -> None:
        """One product read so many requests with so many tokens."""

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        """A tick spent so long on reading and on writing; so many rows run on."""

    def dropped(self, ticket: Ticket, error: RondoError) -> None:
        """A request ended without an answer."""

    def finished(self, ticket: Ticket, result: Result, now: float) -> None:
        """A request was answered."""
        self._finish_times.append(now)

    def finished_per_s(self, now: float) -> float:
        """Answers a second, of late."""
        while self._finish_times and now - self._finish_times[0] > _PACE_WINDOW_S:
            self._finish_times.popleft()
        if len(self._finish_times) < 2:
            return 0.0
        return len(self._finish_times) / max(1e-3, now - self._finish_times[0])
