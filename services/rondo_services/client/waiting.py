"""How somebody who waits for a job is told of it, and when they ask again after that broke off. Sends nothing."""

import time
from collections.abc import Callable, Iterator

from ..errors import LimitReached, Overloaded, RondoError, TimedOut
from ..jobs.errors import JobStoreError
from ..server.jobs.schema import JobProgress, JobReply
from .errors import ConnectionFailed, ServerError, error_of
from .event_lines import EventLines
from .operations import parsed

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_CALM_S = 60.0
"""After so long the next failure is the first again; a server that ends each stream sooner is asked ever less often."""

_PATIENCE_S = 600.0
"""Longer than any server takes to be started anew."""

_PASSES = (ConnectionFailed, TimedOut, Overloaded, LimitReached, JobStoreError)


class JobEvents:
    """Reads the server-sent events of a job, in whatever portions their bytes come."""

    def __init__(self) -> None:
        self._lines = EventLines()
        self._kind = b""

    def told(self, content: bytes) -> Iterator[JobProgress]:
        """What more bytes bring; a `JobReply` is the last.

        Raises:
            RondoError: the one that the server ended the stream with.
        """
        for name, value in self._lines.fields(content):
            if name == b"event":
                self._kind = value
            elif name == b"data" and self._kind == b"progress":
                yield parsed(JobProgress, value)
            elif name == b"data" and self._kind == b"job":
                yield parsed(JobReply, value)
            elif name == b"data" and self._kind == b"error":
                raise error_of(value)


class Patience:
    """With a server that does not answer for now; the job goes on there all the while.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard_at = self._asks_at = clock()
        self._next_pause_s = _FIRST_PAUSE_S

    def heard(self) -> None:
        """The server said how the job stands."""
        self._heard_at = self._clock()

    def pause_s(self, error: RondoError) -> float | None:
        """Seconds after which it is worth asking again; None if it is not, or has not been for too long."""
        now = self._clock()
        if now - self._asks_at >= _CALM_S:
            self._next_pause_s = _FIRST_PAUSE_S
        pause_s = self._next_pause_s
        if isinstance(error, Overloaded | LimitReached):
            pause_s = max(pause_s, float(error.retry_after_s))
            self._heard_at = now + pause_s  # until then there is nothing to hear
        elif not _may_pass(error) or now - self._heard_at >= _PATIENCE_S:
            return None
        self._next_pause_s = min(2 * self._next_pause_s, _LONGEST_PAUSE_S)
        self._asks_at = now + pause_s
        return pause_s


def _may_pass(error: RondoError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ServerError):  # of a proxy whose server is away, for one
        return error.status is None or error.status >= 500
    return isinstance(error, _PASSES)
