"""Carries calls from the engine's thread to an event loop, many in one wake-up.

Waking a loop costs a system call. A tick of the engine ends many requests and writes many tokens at once, so only
the first of them wakes the loop.
"""

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Mailbox:
    """Calls waiting for one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._calls: deque[Callable[[], None]] = deque()
        self._awake = False

    def post(self, call: Callable[[], None]) -> None:
        """Have the loop make `call`, after those posted before. From any thread; nothing once the loop is closed."""
        self._calls.append(call)
        loop = self._loop()
        if not self._awake and loop is not None and not loop.is_closed():
            self._awake = True
            with suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._awake = False  # before the last look: a call that is posted now wakes the loop again
        while self._calls:
            self._calls.popleft()()


_mailboxes: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox]" = weakref.WeakKeyDictionary()


def mailbox() -> Mailbox:
    """The mailbox of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _mailboxes.get(loop)
    if found is None:
        found = _mailboxes[loop] = Mailbox(loop)
    return found
