"""Decides which waiting requests are encoded next. Holds no tensor.

Any mix of services goes into one cut, in the order of arrival, up to a budget of tokens; the cut is then grouped
by length, so that little of a matrix product is padding. Only what needs no rows passes what has to wait for some, and
only short texts pass long ones.
"""

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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


_Kind = Literal["read", "written", "long", "explained"]
"""What is short and only read; what needs rows; what is read in many parts, whatever it needs then; explanations."""

_Line = tuple[Priority, _Kind]


def _in_cuts(takes_long: bool) -> tuple[_Kind, ...]:
    return ("read", "written", "long") if takes_long else ("read", "written")


class Scheduler:
    """The waiting requests. Not thread-safe: the engine guards it.

    Each kind waits in a line of its own, so that one for which there is no room holds up none of another kind.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lines: dict[_Line, deque[Ticket]] = {
            (priority, kind): deque() for kind in get_args(_Kind) for priority in PRIORITIES
        }
        self._waiting_tokens = 0

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the waiting requests."""
        return self._waiting_tokens

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Let requests wait."""
        for ticket in tickets:
            self._lines[ticket.priority, self._kind(ticket)].append(ticket)
            self._waiting_tokens += ticket.num_tokens

    def _kind(self, ticket: Ticket) -> _Kind:
        match ticket.work:
            case Explain():
                return "explained"
            case Classify() | Tag() | Search() if ticket.num_tokens > self.limits.chunk_tokens:
                return "long"
            case _:
                return "written" if rows_of(ticket.work) else "read"

    def _turn(self, ticket: Ticket) -> float:
        """By which the order is made: the time of arrival, later for batch work. So nobody waits for ever."""
        return ticket.queued_at + (self.limits.batch_delay_s if ticket.priority == "batch" else 0.0)

    def _open(self, kinds: Container[_Kind]) -> dict[_Line, deque[Ticket]]:
        """The lines of these kinds in which somebody waits."""
        return {line: queue for line, queue in self._lines.items() if queue and line[1] in kinds}

    def _next(self, lines: Mapping[_Line, deque[Ticket]]) -> _Line:
        """The line whose first request has its turn."""
        return min(lines, key=lambda line: self._turn(lines[line][0])) if len(lines) > 1 else next(iter(lines))

    @property
    def has_interactive(self) -> bool:
        """Whether an interactive request waits."""
        return any(queue for (priority, _), queue in self._lines.items() if priority == "interactive")

    def is_worth_a_cut(self, now: float, room: BatchRoom, *, only_batch_runs: bool, takes_long: bool = True) -> bool:
        """Whether enough wait, or one has waited long enough, to interrupt the writing.

        Args:
            takes_long: as `cut`.
            only_batch_runs: nobody interactive is held up, so whoever is goes at once.
        """
        lines = self._open(_in_cuts(takes_long))
        if only_batch_runs and any(priority == "interactive" for priority, _ in lines):
            return True
        queues = [queue for (priority, _), queue in lines.items() if priority == "interactive" or room.is_open]
        if not queues:
            return False
        first = min(queue[0].queued_at for queue in queues)
        return sum(map(len, queues)) >= self.limits.company or now - first >= self.limits.patience_s

    def cut(
        self,
        now: float,
        free_rows: int,
        most_tokens: int,
        drop: Callable[[Ticket, RondoError], None],
        room: BatchRoom | None = None,
        *,
        takes_long: bool = True,
    ) -> list[Ticket]:
        """Take the requests to encode now, in the order of their turns; those nobody needs go to `drop`.

        Args:
            room: for batch requests; None: as for others. If it is full, others go on.
            takes_long: whether texts that are read in many parts may be taken.
        """
        taken: list[Ticket] = []
        tokens = batch_rows = batch_tokens = 0
        is_full = False
        lines = self._open(_in_cuts(takes_long))
        while lines:
            line = self._next(lines)
            ticket = lines[line][0]
            if error := ticket.expired_or_cancelled(now):
                self._pop(lines, line)
                drop(ticket, error)
                continue
            rows, is_batch = rows_of(ticket.work), ticket.priority == "batch"
            if is_batch and room is not None and not room.holds(ticket, batch_rows, batch_tokens):
                del lines[line]
                continue
            if taken and tokens + ticket.num_tokens > most_tokens:
                break
            if rows and (rows > free_rows or is_full):  # none with fewer overtakes one that might else wait for ever
                is_full = True
                del lines[line]
                continue
            free_rows -= rows
            tokens += ticket.num_tokens
            if is_batch:
                batch_rows += rows
                batch_tokens += ticket.num_tokens
            taken.append(self._pop(lines, line))
        return taken

    def next_explanation(self, now: float, drop: Callable[[Ticket, RondoError], None]) -> Ticket | None:
        """Take the text to explain next, which is no part of a cut; those nobody needs go to `drop`."""
        lines = self._open(("explained",))
        while lines:
            ticket = self._pop(lines, self._next(lines))
            if error := ticket.expired_or_cancelled(now):
                drop(ticket, error)
            else:
                return ticket
        return None

    def _pop(self, lines: dict[_Line, deque[Ticket]], line: _Line) -> Ticket:
        """Take the first of a line, and the line from `lines` if that was all."""
        ticket = lines[line].popleft()
        if not lines[line]:
            del lines[line]
        self._waiting_tokens -= ticket.num_tokens
        return ticket

    def waiting(self) -> list[Ticket]:
        """All of them."""
        return [ticket for queue in self._lines.values() for ticket in queue]

    def drop(self, unwanted: Callable[[Ticket], bool]) -> None:
        """Let those go that `unwanted` says nobody needs, wherever in their lines they are."""
        for line, queue in self._lines.items():
            self._lines[line] = deque(ticket for ticket in queue if not unwanted(ticket))
        self._waiting_tokens = sum(ticket.num_tokens for ticket in self.waiting())

    def drain(self) -> list[Ticket]:
        """Take all, as when the engine stops."""
        tickets = self.waiting()
        for queue in self._lines.values():
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
