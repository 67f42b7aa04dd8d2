"""How long the parts of an HTTP request took, told from where it is known to where it is sent."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from .engine.requests import Ticket


@dataclass(slots=True)
class RequestTimes:
    """Seconds: of tokenising, and of the slowest text in the engine before its turn came and from then on.

    Attributes:
        num_tokens: that the engine has read for it.
    """

    tokenize_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0
    num_tokens: int = 0

    def add(self, tickets: Iterable[Ticket]) -> None:
        """Take note of requests that have ended."""
        for ticket in tickets:
            if ticket.started_at and ticket.ended_at:
                self.num_tokens += ticket.num_tokens
                self.queue_s = max(self.queue_s, ticket.started_at - ticket.queued_at)
                self.inference_s = max(self.inference_s, ticket.ended_at - ticket.started_at)


request_times: ContextVar[RequestTimes | None] = ContextVar("request_times", default=None)
"""Of the HTTP request that is being answered."""
