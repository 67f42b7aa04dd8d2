"""When the parts of a traced HTTP request began and ended. Requests that are not traced have `RequestTimes` only."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.requests import Classify, Explain, Score, Tag, Ticket
from ..timing import RequestTimes, request_times


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds of the monotonic clock."""

    name: str
    began: float
    ended: float


@dataclass(slots=True)
class TracedTimes(RequestTimes):
    """Times of a request, with its parts."""

    parts: list[Part] = field(default_factory=list)

    def add(self, tickets: Iterable[Ticket]) -> None:
        """As `RequestTimes.add`; the parts are those of the text that ended last."""
        tickets = list(tickets)
        super(TracedTimes, self).add(tickets)
        self.note(tickets)

    def note(self, tickets: Iterable[Ticket], first_token_at: float = 0.0) -> None:
        """Take note of the parts of the text that ended last.

        Args:
            first_token_at: when somebody who listens heard the first token; 0: nobody listened. Where texts are
                written, only this tells reading from writing.
        """
        ended = [ticket for ticket in tickets if ticket.started_at and ticket.ended_at]
        if not ended:
            return
        last = max(ended, key=lambda ticket: ticket.ended_at)
        self.parts.append(Part("queue", last.queued_at, last.started_at))
        if isinstance(last.work, Classify | Tag | Explain | Score):
            self.parts.append(Part("encode", last.started_at, last.ended_at))
        elif last.started_at < first_token_at < last.ended_at:
            self.parts.append(Part("encode", last.started_at, first_token_at))
            self.parts.append(Part("decode", first_token_at, last.ended_at))
        else:
            self.parts.append(Part("inference", last.started_at, last.ended_at))


def note_part(name: str, began: float) -> None:
    """A part of the request that is being answered ends now."""
    times = request_times.get()
    if isinstance(times, TracedTimes):
        times.parts.append(Part(name, began, time.monotonic()))


def note_stream(tickets: Iterable[Ticket], first_token_at: float) -> None:
    """The texts of a stream have ended."""
    times = request_times.get()
    if isinstance(times, TracedTimes):
        times.note(tickets, first_token_at)
