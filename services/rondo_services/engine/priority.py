"""A thread of low priority. Only threads have it: a process of no privileges could never raise its own again."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

NICENESS = 10
"""On processors that are all busy a thread then gets about a tenth of what others get, so it does go on."""


def at_low_priority(work: Callable[[], T]) -> T:
    """What `work` returns or raises, on a thread that gives way to others where the system knows such threads."""
    with ThreadPoolExecutor(1, "rondo-loading", initializer=_give_way) as thread:
        return thread.submit(work).result()


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere the whole process would
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
