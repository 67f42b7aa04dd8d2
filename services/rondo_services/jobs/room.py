"""Room for works in the engine, which those that wait enter in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Waiting:
    works: int
    tokens: int
    entered: "asyncio.Future[None]"


class Room:
    """So many works and tokens at once, but anything if it is alone. For one event loop.

    Whoever leaves looks only at who is first, so that many may wait.
    """

    def __init__(self, most_works: int, most_tokens: int) -> None:
        self._most_works = most_works
        self._most_tokens = most_tokens
        self._works = 0
        self._tokens = 0
        self._waiting: deque[_Waiting] = deque()

    @asynccontextmanager
    async def taken(self, works: int, tokens: int) -> AsyncIterator[None]:
        """Room for these, once it is their turn and they fit."""
        await self._enter(works, tokens)
        try:
            yield
        finally:
            self._leave(works, tokens)

    async def _enter(self, works: int, tokens: int) -> None:
        own = _Waiting(works, tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(own)
        self._let_in()
        try:
            await own.entered
        except asyncio.CancelledError:
            if not own.entered.cancelled():  # it was let in at the same moment
                self._leave(works, tokens)
            raise

    def _leave(self, works: int, tokens: int) -> None:
        self._works -= works
        self._tokens -= tokens
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            own = self._waiting[0]
            gave_up = own.entered.cancelled()
            if not gave_up and not self._fits(own):
                return
            self._waiting.popleft()
            if not gave_up:
                self._works += own.works
                self._tokens += own.tokens
                own.entered.set_result(None)

    def _fits(self, own: _Waiting) -> bool:
        if not self._works:
            return True
        return self._works + own.works <= self._most_works and self._tokens + own.tokens <= self._most_tokens
