"""Which requests may enter an engine, and what to tell those that may not."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..errors import InvalidInput, Overloaded
from .requests import Ticket, Work
from .scheduler import Limits, rows_of

_SLOWEST_RETRY_S = 60


@dataclass(frozen=True, slots=True)
class Entrance:
    """What an engine takes.

    Attributes:
        heads: names of the model's heads.
        vocabulary_size: ids are below it.
    """

    heads: Collection[str]
    vocabulary_size: int
    limits: Limits

    def check(self, works: Sequence[Work]) -> None:
        """Look at each request by itself.

        Raises:
            InvalidInput: no such head, no ids, one that is not in the vocabulary, or too many hypotheses.
        """
        for work in works:
            if work.head not in self.heads:
                raise InvalidInput(f"no head {work.head!r}; there are {', '.join(self.heads)}")
            if not work.ids or min(work.ids) < 0 or max(work.ids) >= self.vocabulary_size:
                raise InvalidInput("a request needs ids, all of them in the vocabulary")
            if rows_of(work) > self.limits.max_rows:
                raise InvalidInput(f"a request may have at most {self.limits.max_rows} hypotheses")

    def check_room(
        self,
        tickets: Sequence[Ticket],
        waiting: int,
        waiting_tokens: int,
        finished_per_s: float,
        refused: Callable[[int], None],
    ) -> None:
        """Whether all of `tickets` may wait too; a single request may be of any length if none waits.

        Args:
            waiting: requests that wait now.
            waiting_tokens: theirs.
            finished_per_s: the pace of late, from which a refused client is told when to come back.
            refused: is told how many were refused.

        Raises:
            Overloaded: they may not.
        """
        tokens = waiting_tokens + sum(ticket.num_tokens for ticket in tickets)
        alone = len(tickets) == 1 and not waiting
        fits = tokens <= self.limits.max_waiting_tokens or alone
        if not fits or waiting + len(tickets) > self.limits.max_waiting:
            refused(len(tickets))
            seconds = min(_SLOWEST_RETRY_S, max(1, round(waiting / finished_per_s))) if finished_per_s else 1
            raise Overloaded("the queue is full; try again later", retry_after_s=seconds)
