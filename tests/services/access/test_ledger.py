"""Counts in memory, written down behind the requests."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from tests.services.access.conftest import Clock

from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import Usage, UsageBook, UsageError


class Failing(UsageBook):
    """A book that can't be written while `fails`."""

    fails = True

    def add(self, used: Mapping[date, Mapping[str, Usage]], today: date) -> dict[str, Usage]:
        if self.fails:
            raise UsageError("disk full")
        return super().add(used, today)


def test_what_is_written_is_there_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    async def first() -> None:
        ledger = Ledger(UsageBook(tmp_path), clock)
        async with ledger.written_behind():
            ledger.note("a", 1, 0)
            ledger.note("a", 0, 50)
            assert ledger.today("a") == Usage(1, 50)

    asyncio.run(first())
    assert Ledger(UsageBook(tmp_path), clock).today("a") == Usage(1, 50)


def test_a_new_day_begins_at_nothing_and_the_old_one_is_not_lost(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(UsageBook(tmp_path), clock)
    ledger.note("a", 3, 30)
    assert ledger.day_ends_in_s() == 12 * 3600
    clock.now += 12 * 3600
    assert ledger.today("a") == Usage()
    ledger.note("a", 1, 1)
    asyncio.run(ledger.write())
    assert ledger.today("a") == Usage(1, 1)
    assert UsageBook(tmp_path).of(date(2031, 5, 1)) == {"a": Usage(3, 30)}
    assert UsageBook(tmp_path).of(date(2031, 5, 2)) == {"a": Usage(1, 1)}


def test_servers_with_one_folder_share_a_quota(tmp_path: Path, clock: Clock) -> None:
    first, second = Ledger(UsageBook(tmp_path), clock), Ledger(UsageBook(tmp_path), clock)
    first.note("a", 1, 10)
    second.note("a", 1, 20)
    asyncio.run(first.write())
    asyncio.run(second.write())
    assert second.today("a") == Usage(2, 30)
    first.note("a", 1, 0)
    asyncio.run(first.write())
    assert first.today("a") == Usage(3, 30)


def test_what_is_used_while_it_is_written_counts_once(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(UsageBook(tmp_path), clock)

    async def both() -> None:
        ledger.note("a", 1, 10)
        writing = asyncio.create_task(ledger.write())
        await asyncio.sleep(0)  # it has begun
        ledger.note("a", 1, 5)
        assert ledger.today("a") == Usage(2, 15)
        await writing
        assert ledger.today("a") == Usage(2, 15)
        await ledger.write()

    asyncio.run(both())
    assert ledger.today("a") == Usage(2, 15)
    assert UsageBook(tmp_path).of(clock.moment.date()) == {"a": Usage(2, 15)}


def test_a_full_disk_loses_nothing_and_is_said_once(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    book = Failing(tmp_path)
    ledger = Ledger(book, clock)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            ledger.note("a", 1, 10)
            asyncio.run(ledger.write())
    assert len(caplog.records) == 1
    assert ledger.today("a") == Usage(3, 30)
    book.fails = False
    asyncio.run(ledger.write())
    assert book.of(clock.moment.date()) == {"a": Usage(3, 30)}
