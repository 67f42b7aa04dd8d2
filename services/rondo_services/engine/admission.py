"""Which requests may enter an engine, and what to tell those that may not."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import InvalidInput, Overloaded
from .requests import Search, Tag, Ticket, Work
from .scheduler import Limits, rows_of

_SLOWEST_RETRY_S = 60


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits now, and the pace at which requests have ended of late."""

    waiting: int
    waiting_tokens: int
    finished_per_s: float


class Entrance:
    """What an engine takes. Not thread-safe: the engine guards it.

    Args:
        heads: names of the model's heads.
        vocabulary_size: ids are below it.
        refused: is told how many requests were refused.
        unwritable: ids that no target can hold.
        avoidable: names of sets of ids that searches may avoid.
    """

    def __init__(
        self,
        heads: Collection[str],
        vocabulary_size: int,
        limits: Limits,
        refused: Callable[[int], None],
        unwritable: Collection[int] = (),
        avoidable: Collection[str] = (),
    ) -> None:
        self.limits = limits
        self._heads = heads
        self._vocabulary_size = vocabulary_size
        self._refused = refused
        self._writable = frozenset(range(vocabulary_size)) - frozenset(unwritable)
        self._avoidable = frozenset(("", *avoidable))
        self._kept = 0

    def check(self, works: Sequence[Work]) -> None:
        """Look at each request by itself.

        Raises:
            InvalidInput: no such head, no ids, one that is not in the vocabulary, words that are not of the ids, too
                many hypotheses, a required phrase that can't be written, or something to avoid that is not known.
        """
        for work in works:
            if work.head not in self._heads:
                raise InvalidInput(f"no head {work.head!r}; there are {', '.join(self._heads)}")
            if not work.ids or min(work.ids) < 0 or max(work.ids) >= self._vocabulary_size:
                raise InvalidInput("a request needs ids, all of them in the vocabulary")
            if isinstance(work, Tag) and (min(work.sizes, default=0) < 1 or sum(work.sizes) > len(work.ids)):
                raise InvalidInput("words need a piece each at least, and all of them are among the ids")
            if rows_of(work) > self.limits.max_rows:
                raise InvalidInput(f"a request may have at most {self.limits.max_rows} hypotheses")
            if isinstance(work, Search) and work.parameters.avoid not in self._avoidable:
                raise InvalidInput(f"{work.parameters.avoid!r} can't be avoided; it is not known")
            if isinstance(work, Search) and work.parameters.required:
                ids = {one for phrase in work.parameters.required for spelling in phrase for one in spelling}
                if strange := sorted(ids - self._writable):
                    raise InvalidInput(f"a required phrase holds ids that are never written: {strange}")

    def admit(self, tickets: Sequence[Ticket], queue: Queue) -> None:
        """Whether all of `tickets` may wait too; a single request may be of any length if none waits.

        Raises:
            Overloaded: they may not.
        """
        tokens = queue.waiting_tokens + sum(ticket.num_tokens for ticket in tickets)
        alone = len(tickets) == 1 and not queue.waiting
        self._check_room(len(tickets), queue, enough_tokens=tokens <= self.limits.max_waiting_tokens or alone)

    @contextmanager
    def places(self, count: int, queue: Queue) -> Iterator[None]:
        """Keep places for requests that are being made ready, so that no work is done for one that is refused.

        Raises:
            Overloaded: there are not so many.
        """
        self._check_room(count, queue, enough_tokens=queue.waiting_tokens <= self.limits.max_waiting_tokens)
        self._kept += count
        try:
            yield
        finally:
            self._kept -= count

    def _check_room(self, count: int, queue: Queue, *, enough_tokens: bool) -> None:
        # More than ever fit are the caller's to refuse: they would come again and again.
        count = min(count, self.limits.max_waiting)
        if enough_tokens and queue.waiting + self._kept + count <= self.limits.max_waiting:
            return
        self._refused(count)
        pace = queue.finished_per_s
        seconds = min(_SLOWEST_RETRY_S, max(1, round(queue.waiting / pace))) if pace else 1
        raise Overloaded("the queue is full; try again later", retry_after_s=seconds)
