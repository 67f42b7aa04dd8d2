"""Between the parts of a long piece of work, lets a thread that has something more urgent to do use the processor.

The scheduler takes a processor from a thread only every few milliseconds, and streams of tokens would wait as long.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_PAUSE_S = 2e-5
"""However short, a sleep lets whoever waits go first; sched_yield leaves that to what both have used before."""

SENTENCES_AT_ONCE = 64
"""A part of what is done with each sentence: a fraction of a millisecond."""


class _Own(threading.local):
    gives_way = False


_own = _Own()


def this_thread_gives_way() -> None:
    """From now on this thread lets others go before it where the work says `give_way`."""
    _own.gives_way = True


def give_way() -> None:
    """Between two parts; nothing happens on a thread that does not give way."""
    if _own.gives_way:
        time.sleep(_PAUSE_S)


def giving_way(items: Iterable[T], every: int) -> Iterator[T]:
    """The items, with `give_way` after every so many."""
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            give_way()
