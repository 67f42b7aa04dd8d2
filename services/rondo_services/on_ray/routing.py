"""Which engine gets a request: the one that knows its prompt, else the less busy of two."""

import random
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

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

    @property
    def is_usable(self) -> bool:
        """Whether it may be chosen."""


E = TypeVar("E", bound=Engine)


class Router(Generic[E]):
    """Remembers where prompts were read. What a choice costs does not depend on the number of engines.

    Args:
        capacity: prompts to remember; 0 for none.
        draw: chooses the two.
    """

    def __init__(self, capacity: int, draw: random.Random | None = None) -> None:
        self._known: PrefixCache[E] = PrefixCache(capacity)
        self._draw = draw or random.Random()

    def choose(self, work: Work, engines: Sequence[E]) -> tuple[E, bool]:
        """The engine for a request, and whether it was chosen for what it knows; there is at least one."""
        engine, is_known = self._choice(work, engines)
        if _is_prompt(work):
            self._known.put(work.head, work.ids, engine)
        return engine, is_known

    def _choice(self, work: Work, engines: Sequence[E]) -> tuple[E, bool]:
        if len(engines) == 1:
            return engines[0], False
        first, second = self._draw.sample(engines, 2)
        less_busy = first if first.load <= second.load else second
        if _is_prompt(work):
            length, engine = self._known.longest(work.head, work.ids)
            most = _MOST_TIMES_BUSIER * less_busy.load + _MOST_MORE_REQUESTS
            if engine is not None and length >= _LEAST_KNOWN_TOKENS and engine.is_usable and engine.load <= most:
                return engine, True
        return less_busy, False


def _is_prompt(work: Work) -> bool:
    """Whether its state is kept where it has been read."""
    return isinstance(work, Generate) and work.state is None
