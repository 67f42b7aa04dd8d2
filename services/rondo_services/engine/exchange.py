"""Requests that are with an engine at the other end of a connection, seen from the asker's side.

Knows no socket: messages go out by `send`, and whoever reads hands the reports in.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from .admission import Queue
from .messages import CANCEL, SUBMIT, TickReport, received_error, received_result, received_score, work_values
from .observer import EngineObserver
from .requests import OnToken, Priority, Ticket, Work

_TOLD_WITHIN_S = 1.0
"""By an engine that is well, of a deadline that has passed."""


class RemoteTicket(Ticket):
    """A ticket whose cancelling is told to the engine that has it.

    Attributes:
        exchange: with that engine.
    """

    exchange: "Exchange | None" = None

    def cancel(self) -> None:
        if not self.cancelled and not self.future.done() and self.exchange is not None:
            self.exchange.cancel(self.number)
        super().cancel()


def remote_tickets(
    works: Sequence[Work], deadline: float | None, priority: Priority, on_token: Sequence[OnToken | None]
) -> list[RemoteTicket]:
    """A ticket for each request; `on_token` has none or one for each."""
    return [
        RemoteTicket(work, deadline=deadline, priority=priority, on_token=listener)
        for work, listener in zip(works, on_token or [None] * len(works), strict=True)
    ]


class Exchange:
    """Sends requests, and ends their tickets as the engine reports. To be used on one event loop only.

    Args:
        send: takes a message; nothing happens to one that can't be sent.

    Attributes:
        ahead_s: seconds by which the engine's clock is ahead of this machine's; the same machine has one clock.
    """

    def __init__(self, send: Callable[[list[Any]], None], observer: EngineObserver) -> None:
        self.ahead_s = 0.0
        self._send = send
        self._observer = observer
        self._tickets: dict[int, RemoteTicket] = {}
        self._outbox: list[RemoteTicket] = []
        self._sent = 0
        self._sent_tokens = 0
        self._last = TickReport()

    def __len__(self) -> int:
        """Requests that have not ended."""
        return len(self._tickets)

    @property
    def last(self) -> TickReport:
        """The report that came last."""
        return self._last

    @property
    def num_on_the_way(self) -> int:
        """Requests that have been sent and that the last report did not know of."""
        return self._sent - self._last.received

    def queue(self, finished_per_s: float) -> Queue:
        """What the engine last said of its queue, and what has been sent since."""
        last = self._last
        return Queue(
            last.waiting + self.num_on_the_way,
            last.waiting_tokens + self._sent_tokens - last.received_tokens,
            finished_per_s,
        )

    def submit(self, tickets: Sequence[RemoteTicket]) -> None:
        """Send requests at the end of this round of the event loop, with all others of the round in one message."""
        for ticket in tickets:
            ticket.exchange = self
            self._tickets[ticket.number] = ticket
            self._sent_tokens += ticket.num_tokens
        self._sent += len(tickets)
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.extend(tickets)

    def cancel(self, number: int) -> None:
        """Tell the engine that nobody waits for a request any more."""
        self._flush()  # a request that is cancelled at once must not come after its cancelling
        self._send([CANCEL, [number]])

    def expire(self, now: float) -> None:
        """End requests whose deadline has passed and of which the engine does not tell so, as while it hangs."""
        for ticket in list(self._tickets.values()):
            if ticket.deadline is not None and now > ticket.deadline + _TOLD_WITHIN_S:
                del self._tickets[ticket.number]
                self.cancel(ticket.number)
                error = ticket.expired_or_cancelled(now)
                assert error is not None
                ticket.fail(error)
                self._observer.dropped(ticket, error)

    def take_back(self) -> list[RemoteTicket]:
        """Requests that the engine will not answer any more; this exchange forgets them."""
        tickets, self._tickets, self._outbox = list(self._tickets.values()), {}, []
        return tickets

    def _flush(self) -> None:
        tickets, self._outbox = self._outbox, []
        waiting = [self._values(ticket) for ticket in tickets if ticket.number in self._tickets]
        if waiting:
            self._send([SUBMIT, waiting])

    def _values(self, ticket: Ticket) -> list[Any]:
        number, queued_at, deadline, *others = work_values(ticket)
        at_deadline = None if deadline is None else deadline + self.ahead_s
        return [number, queued_at + self.ahead_s, at_deadline, *others]

    def take(self, report: TickReport) -> None:
        """Hand out what a tick of the engine brought."""
        self._last = report
        observer, now = self._observer, time.monotonic()
        for number, identifier in report.tokens:
            if (ticket := self._tickets.get(number)) is not None:
                ticket.wrote(identifier, None, observer)
        for number, values in report.scored_tokens:
            if (ticket := self._tickets.get(number)) is not None:
                score = received_score(values)
                ticket.wrote(score.id, score, observer)
        for number, started_at, values in report.finished:
            if (ticket := self._tickets.pop(number, None)) is not None:
                ticket.started_at = max(ticket.queued_at, started_at - self.ahead_s)  # clocks are compared roughly
                result = received_result(ticket.work, values)
                ticket.finish(result)
                observer.finished(ticket, result, now)
        for number, values in report.failed:
            if (ticket := self._tickets.pop(number, None)) is not None:
                error = received_error(values)
                ticket.fail(error)
                observer.dropped(ticket, error)
        if report.cached_prompts:
            observer.cache_used(report.cached_prompts, report.cached_tokens)
        for requests, tokens in report.encoded:
            observer.encoded(requests, tokens)
