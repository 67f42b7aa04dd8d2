"""Decides which waiting requests are encoded next. Holds no tensor.

Any mix of services goes into one cut, in the order of arrival, up to a budget of tokens; the cut is then grouped
by length, so that little of a matrix product is padding.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import RondoError
from .requests import PRIORITIES, Classify, Explain, Priority, Score, Search, Ticket, Work

_SMALLEST_GROUP = 16
"""Below about this many rows a product costs the same whatever it holds (docs/log.md)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the engine takes on.

    Attributes:
        max_waiting: requests that may wait; more are refused.
        max_waiting_tokens: tokens that may wait; more are refused.
        tokens_per_cut: tokens that are read between two decoding steps; one longer request goes alone.
        chunk_tokens: tokens of one long text or prompt that are read between two decoding steps.
        pace_ratio: while somebody listens to tokens as they are written, less is read between two steps: what takes
            so many times as long as a step.
        cached_prompts: states of prompts that are kept, a few KB each.
        max_rows: sequences (hypotheses count) that are written at the same time.
        padding_share: of a group of like length, the most that may be padding, once it is of some size.
        company: while sequences are being written, requests that make a cut worth its while.
        patience_s: while sequences are being written, how long a request may wait for company.
        batch_delay_s: a batch request is served as if it had come so much later.
    """

    max_waiting: int = 1024
    max_waiting_tokens: int = 400_000
    tokens_per_cut: int = 4096
    chunk_tokens: int = 512
    pace_ratio: float = 2.0
    cached_prompts: int = 1024
    max_rows: int = 512
    padding_share: float = 0.25
    company: int = 8
    patience_s: float = 0.015
    batch_delay_s: float = 2.0


def rows_of(work: Work) -> int:
    """Most rows that the request will need while it is written."""
    match work:
        case Classify() | Explain() | Score():
            return 0
        case Search(parameters=parameters):
            return parameters.num_rows
        case _:
            return 1


_Lines = dict[Priority, deque[Ticket]]


def _empty_lines() -> _Lines:
    return {priority: deque() for priority in PRIORITIES}


def _length(lines: _Lines) -> int:
    return sum(map(len, lines.values()))


class Scheduler:
    """The waiting requests. Not thread-safe: the engine guards it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting = _empty_lines()
        self._to_explain = _empty_lines()
        self._waiting_tokens = 0

    def __len__(self) -> int:
        return _length(self._waiting) + _length(self._to_explain)

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the waiting requests."""
        return self._waiting_tokens

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Let requests wait."""
        for ticket in tickets:
            lines = self._to_explain if isinstance(ticket.work, Explain) else self._waiting
            lines[ticket.priority].append(ticket)
            self._waiting_tokens += ticket.num_tokens

    def _turn(self, ticket: Ticket) -> float:
        """By which the order is made: the time of arrival, later for batch work. So nobody waits for ever."""
        return ticket.queued_at + (self.limits.batch_delay_s if ticket.priority == "batch" else 0.0)

    def _next(self, lines: _Lines) -> deque[Ticket] | None:
        """The queue whose first request has its turn."""
        queues = [queue for queue in lines.values() if queue]
        return min(queues, key=lambda queue: self._turn(queue[0])) if queues else None

    def is_worth_a_cut(self, now: float) -> bool:
        """Whether enough wait, or one has waited long enough, to interrupt the writing."""
        queue = self._next(self._waiting)
        if queue is None:
            return False
        return _length(self._waiting) >= self.limits.company or now - queue[0].queued_at >= self.limits.patience_s

    def cut(
        self, now: float, free_rows: int, most_tokens: int, drop: Callable[[Ticket, RondoError], None]
    ) -> list[Ticket]:
        """Take the requests to encode now, in the order of their turns; those nobody needs go to `drop`."""
        taken: list[Ticket] = []
        tokens = 0
        while (queue := self._next(self._waiting)) is not None:
            ticket = queue[0]
            if error := ticket.expired_or_cancelled(now):
                self._pop(queue)
                drop(ticket, error)
                continue
            if taken and tokens + ticket.num_tokens > most_tokens:
                break
            if rows_of(ticket.work) > free_rows:
                break
            free_rows -= rows_of(ticket.work)
            tokens += ticket.num_tokens
            taken.append(self._pop(queue))
        return taken

    def next_explanation(self, now: float, drop: Callable[[Ticket, RondoError], None]) -> Ticket | None:
        """Take the text to explain next, which is no part of a cut; those nobody needs go to `drop`."""
        while (queue := self._next(self._to_explain)) is not None:
            ticket = self._pop(queue)
            if error := ticket.expired_or_cancelled(now):
                drop(ticket, error)
            else:
                return ticket
        return None

    def _pop(self, queue: deque[Ticket]) -> Ticket:
        ticket = queue.popleft()
        self._waiting_tokens -= ticket.num_tokens
        return ticket

    def drain(self) -> list[Ticket]:
        """Take all, as when the engine stops."""
        queues = [*self._waiting.values(), *self._to_explain.values()]
        tickets = [ticket for queue in queues for ticket in queue]
        for queue in queues:
            queue.clear()
        self._waiting_tokens = 0
        return tickets


def group_by_length(tickets: Sequence[Ticket], padding_share: float) -> list[list[Ticket]]:
    """Groups of like length, each to be one padded product; few tickets are not worth a product of their own."""
    groups: list[list[Ticket]] = []
    tokens = 0
    for ticket in sorted(tickets, key=lambda ticket: -ticket.num_tokens):
        if groups:
            padded = groups[-1][0].num_tokens * (len(groups[-1]) + 1)
            waste = 1 - (tokens + ticket.num_tokens) / padded
            if waste <= padding_share or len(groups[-1]) < _SMALLEST_GROUP:
                groups[-1].append(ticket)
                tokens += ticket.num_tokens
                continue
        groups.append([ticket])
        tokens = ticket.num_tokens
    return groups
