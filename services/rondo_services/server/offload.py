"""Text → work for the engine → answers, with places in its queue kept until they are taken, and the event loop free.

Short texts are tokenised at once, long ones on a thread.
"""

import asyncio
import time
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from ..access.control import charge
from ..engine.requests import Work
from ..giving_way import give_way, this_thread_gives_way
from ..suite import Suite, Terms
from ..timing import request_times
from .door import request_places, way_out
from .parts import note_part

T = TypeVar("T")
X = TypeVar("X", bound=Sized)
_AT_ONCE_CHARACTERS = 10_000
_LONG_TEXTS = ThreadPoolExecutor(1, "rondo-planning", initializer=this_thread_gives_way)
"""Several would be no faster, as Python runs one thread at a time, and the event loop would wait for all of them."""


async def planned(plan: Callable[[X], T], texts: Sequence[X]) -> list[T]:
    """`plan` of each text; the request keeps a place for each from now on.

    Raises:
        Overloaded: there is no place for them; nothing was tokenised.
        LimitReached, InvalidInput: the key that they came with has not so many characters left.
    """
    _let_in(texts)
    return await prepared(plan, texts)


async def prepared(plan: Callable[[X], T], texts: Sequence[X]) -> list[T]:
    """`plan` of each text, for which no places are kept and no key is charged."""
    if are_short(texts):
        return _all_planned(plan, texts)
    own_context = copy_context().run
    return await asyncio.get_running_loop().run_in_executor(_LONG_TEXTS, own_context, _all_planned, plan, texts)


def are_short(texts: Sequence[Sized]) -> bool:
    """Whether they may be tokenised at once."""
    return sum(map(len, texts)) <= _AT_ONCE_CHARACTERS


def planned_at_once(plan: Callable[[X], T], texts: Sequence[X]) -> list[T]:
    """As `planned`, of short texts."""
    _let_in(texts)
    return _all_planned(plan, texts)


def _let_in(texts: Sequence[Sized]) -> None:
    request_places.get().keep(len(texts))
    charge(sum(map(len, texts)))


def _all_planned(plan: Callable[[X], T], texts: Sequence[X]) -> list[T]:
    began = time.monotonic()
    plans = []
    for text in texts:
        plans.append(plan(text))
        give_way()
    if (times := request_times.get()) is not None:
        times.tokenize_s += time.monotonic() - began
    note_part("tokenize", began)
    return plans


async def run(suite: Suite, works: Sequence[Work], terms: Terms) -> list[Any]:
    """As `Suite.run`, in the places that the request keeps, and answers a few at a time.

    The wait to be let in counts as time in the queue.
    """
    places = request_places.get()
    places.give_back()
    answers = await suite.run(works, terms)
    await way_out.get().go_through()
    if (times := request_times.get()) is not None:
        times.queue_s += places.waited_s
    return answers
