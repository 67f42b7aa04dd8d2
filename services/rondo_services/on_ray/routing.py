"""Which engine gets a request: the one that knows its prompt, else the less busy of two."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from ..engine.prefix_cache import PrefixCache
from ..engine.requests import Generate, Work

_LEAST_KNOWN_TOKENS = 8
"""A prompt of which less is known is read anywhere as fast."""

_MOST_TIMES_BUSIER = 2
_MOST_MORE_REQUESTS = 8
"""An engine that has more than so many times the requests of another, and these besides, is much busier."""


class Engine(Protocol):
    """What is looked at."""

    @property
    def load(self) -> int:
        """Requests that it has."""


E = TypeVar("E", bound=Engine)


class Router:
    """Remembers where prompts were read.

    Args:
        capacity: prompts to remember; 0 for none.
        draw: chooses the two.
    """

    def __init__(self, capacity: int, draw: random.Random | None = None) -> None:
        self._known: PrefixCache[object] = PrefixCache(capacity)
        self._draw = draw or random.Random()

    def choose(self, work: Work, engines: Sequence[E], extra: Sequence[int]) -> tuple[int, bool]:
        """The place of the engine for a request, and whether it was chosen for what it knows.

        Args:
            engines: at least one.
            extra: requests besides those of each engine's load.
        """
        place, is_known = self._place(work, engines, extra)
        if _is_prompt(work):
            self._known.put(work.head, work.ids, engines[place])
        return place, is_known

    def _place(self, work: Work, engines: Sequence[E], extra: Sequence[int]) -> tuple[int, bool]:
        if len(engines) == 1:
            return 0, False
        first, second = self._draw.sample(range(len(engines)), 2)
        loads = [engines[place].load + extra[place] for place in (first, second)]
        less_busy = first if loads[0] <= loads[1] else second
        if _is_prompt(work):
            length, engine = self._known.longest(work.head, work.ids)
            if length >= _LEAST_KNOWN_TOKENS and engine in engines:
                place = engines.index(engine)
                most = _MOST_TIMES_BUSIER * min(loads) + _MOST_MORE_REQUESTS
                if engines[place].load + extra[place] <= most:
                    return place, True
        return less_busy, False


def _is_prompt(work: Work) -> bool:
    """Whether its state is kept where it has been read."""
    return isinstance(work, Generate) and work.state is None
