"""Decides which waiting requests are encoded next. Holds no tensor.

Any mix of services goes into one cut, in the order of arrival, up to a budget of tokens; the cut is then grouped
by length, so that little of a matrix product is padding.
"""

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from ..errors import RondoError
from .requests import PRIORITIES, Classify, Explain, Priority, Score, Search, Tag, Ticket, Work, num_tokens_of


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
        batch_rows: beside interactive requests, the sequences of batch requests that are written at the same time;
            some times as many for a short time after them. Others that have been begun pause. More is throughput of
            jobs, less is latency of everybody else.
        batch_tokens: beside and shortly after interactive requests, tokens of batch requests that are read between two
            steps.
        batch_returns_s: batch requests may have everything once no interactive one has been there for so long.
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
    batch_rows: int = 4
    batch_tokens: int = 256
    batch_returns_s: float = 1.0


@dataclass(frozen=True, slots=True)
class BatchRoom:
    """What batch requests may take of a cut.

    Attributes:
        held_rows: that they have already.
        most_rows: that they may have with the cut; a request that needs more goes alone.
        tokens: of the cut; one longer request goes alone. None: as many as others.
        is_open: whether they may take anything.
    """

    held_rows: int
    most_rows: int
    tokens: int | None = None
    is_open: bool = True

    def holds(self, ticket: Ticket, rows: int, tokens: int) -> bool:
        """Whether a batch request fits besides `rows` and `tokens` of others in the cut."""
        held, own = self.held_rows + rows, rows_of(ticket.work)
        return (
            self.is_open
            and (not held or not own or held + own <= self.most_rows)
            and (not tokens or self.tokens is None or tokens + ticket.num_tokens <= self.tokens)
        )


def portions(works: Sequence[Work], limits: Limits) -> Iterator[list[Work]]:
    """`works` in order, in parts that fit an empty queue."""
    part: list[Work] = []
    tokens = 0
    for work in works:
        if part and (len(part) == limits.max_waiting or tokens + num_tokens_of(work) > limits.max_waiting_tokens):
            yield part
            part, tokens = [], 0
        part.append(work)
        tokens += num_tokens_of(work)
    if part:
        yield part


def rows_of(work: Work) -> int:
    """Most rows that the request will need while it is written."""
    match work:
        case Classify() | Tag() | Explain() | Score():
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

    def _next(self, lines: _Lines, closed: Container[Priority] = ()) -> deque[Ticket] | None:
        """The queue whose first request has its turn."""
        queues = [queue for priority, queue in lines.items() if queue and priority not in closed]
        return min(queues, key=lambda queue: self._turn(queue[0])) if queues else None

    @property
    def has_interactive(self) -> bool:
        """Whether an interactive request waits."""
        return bool(self._waiting["interactive"] or self._to_explain["interactive"])

    def is_worth_a_cut(self, now: float, room: BatchRoom, *, only_batch_runs: bool) -> bool:
        """Whether enough wait, or one has waited long enough, to interrupt the writing.

        Args:
            only_batch_runs: nobody interactive is held up, so whoever is goes at once.
        """
        if only_batch_runs and self._waiting["interactive"]:
            return True
        lines = [self._waiting["interactive"], *([self._waiting["batch"]] if room.is_open else [])]
        first = [queue[0].queued_at for queue in lines if queue]
        if not first:
            return False
        return sum(map(len, lines)) >= self.limits.company or now - min(first) >= self.limits.patience_s

    def cut(
        self,
        now: float,
        free_rows: int,
        most_tokens: int,
        drop: Callable[[Ticket, RondoError], None],
        room: BatchRoom | None = None,
    ) -> list[Ticket]:
        """Take the requests to encode now, in the order of their turns; those nobody needs go to `drop`.

        Args:
            room: for batch requests; None: as for others. If it is full, others go on.
        """
        taken: list[Ticket] = []
        tokens = batch_rows = batch_tokens = 0
        closed: set[Priority] = set()
        while (queue := self._next(self._waiting, closed)) is not None:
            ticket = queue[0]
            if error := ticket.expired_or_cancelled(now):
                self._pop(queue)
                drop(ticket, error)
                continue
            rows, is_batch = rows_of(ticket.work), ticket.priority == "batch"
            if is_batch and room is not None and not room.holds(ticket, batch_rows, batch_tokens):
                closed.add("batch")
                continue
            if taken and tokens + ticket.num_tokens > most_tokens:
                break
            if rows > free_rows:
                break
            free_rows -= rows
            tokens += ticket.num_tokens
            if is_batch:
                batch_rows += rows
                batch_tokens += ticket.num_tokens
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


def group_by_length(tickets: Sequence[Ticket], padding_share: float, smallest: int) -> list[list[Ticket]]:
    """Groups of like length, each to be one padded product; fewer than `smallest` are not worth one of their own."""
    groups: list[list[Ticket]] = []
    tokens = 0
    for ticket in sorted(tickets, key=lambda ticket: -ticket.num_tokens):
        if groups:
            padded = groups[-1][0].num_tokens * (len(groups[-1]) + 1)
            waste = 1 - (tokens + ticket.num_tokens) / padded
            if waste <= padding_share or len(groups[-1]) < smallest:
                groups[-1].append(ticket)
                tokens += ticket.num_tokens
                continue
        groups.append([ticket])
        tokens = ticket.num_tokens
    return groups
