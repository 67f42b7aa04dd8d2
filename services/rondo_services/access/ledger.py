"""What each key has used today, in memory; it is written down behind the requests, so that none waits for a disk.

What was used in the last second before a crash is forgotten; a server that ends writes it down.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta

from .usage import Usage, UsageBook, UsageError

logger = logging.getLogger("rondo")

_DAY_S = 86_400
_EPOCH = date(1970, 1, 1)
_WRITE_EVERY_S = 1.0


class Ledger:
    """Counts for all keys, belonging to one event loop.

    Args:
        clock: seconds of the epoch.

    Raises:
        UsageError: what has been used today can't be read.
    """

    def __init__(self, book: UsageBook, clock: Callable[[], float] = time.time) -> None:
        self._book = book
        self._clock = clock
        self._day = int(clock()) // _DAY_S
        self._used = book.of(_date(self._day))
        self._unwritten: dict[int, dict[str, Usage]] = {}
        self._is_failing = False

    @property
    def day(self) -> int:
        """Days of the epoch that have ended."""
        return int(self._clock()) // _DAY_S

    def today(self, key_id: str) -> Usage:
        """What a key has used of its day so far."""
        if (day := self.day) != self._day:
            self._day, self._used = day, {}
        return self._used.get(key_id) or Usage()

    def note(self, key_id: str, requests: int, characters: int) -> None:
        """A key has been used."""
        self.today(key_id)  # begins a new day
        for counts in (self._used, self._unwritten.setdefault(self._day, {})):
            usage = counts.setdefault(key_id, Usage())
            usage.requests += requests
            usage.characters += characters

    def day_ends_in_s(self) -> int:
        """Seconds until a new day begins, in UTC."""
        return _DAY_S - int(self._clock()) % _DAY_S

    async def write(self) -> None:
        """Write down what has not been yet, and take over what other servers have written."""
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        day = self._day
        dated = {_date(number): by_key for number, by_key in unwritten.items()}
        try:
            used = await asyncio.to_thread(self._book.add, dated, _date(day))
        except UsageError as error:
            if not self._is_failing:
                logger.error("what keys have used can't be written: %s; it is kept in memory", error)
            self._is_failing = True
            newer, self._unwritten = self._unwritten, unwritten
            _add_all(self._unwritten, newer)
            return
        self._is_failing = False
        if day == self._day:
            _add_all({day: used}, {day: self._unwritten.get(day, {})})
            self._used = used

    @asynccontextmanager
    async def written_behind(self) -> AsyncIterator[None]:
        """Write every second, and at the end."""

        ended = asyncio.Event()

        async def keep_writing() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WRITE_EVERY_S):
                        await ended.wait()
                await self.write()
            await self.write()  # it may have ended before it began

        writing = asyncio.create_task(keep_writing())
        try:
            yield
        finally:
            ended.set()
            await writing


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _add_all(counts: dict[int, dict[str, Usage]], more: dict[int, dict[str, Usage]]) -> None:
    for day, by_key in more.items():
        own = counts.setdefault(day, {})
        for key_id, usage in by_key.items():
            sum_ = own.setdefault(key_id, Usage())
            sum_.requests += usage.requests
            sum_.characters += usage.characters
