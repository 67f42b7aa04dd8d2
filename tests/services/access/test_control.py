"""Who may ask now."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.services.access.conftest import Clock

from rondo_services.access.control import AccessControl, Caller, Standing, charge, goes_on, identify, request_caller
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import Usage, UsageBook
from rondo_services.errors import InvalidInput, LimitReached, NotAuthenticated


class World:
    """A control with one key."""

    def __init__(self, folder: Path, clock: Clock, **limits: Any) -> None:
        file = KeyFile(folder)
        self.record, self.key = file.create("shop", Allowance(**limits), clock.moment + timedelta(days=9), clock.moment)
        self.ledger = Ledger(UsageBook(folder), clock)
        self.control = AccessControl(Keyring(file, clock), self.ledger, clock)

    def used(self) -> Usage:
        return self.ledger.today(self.record.id)


@pytest.mark.parametrize("key", [None, "", "rondo_00000000_" + "a" * 43, "sk-1"])
def test_nobody_gets_in_without_a_valid_key(tmp_path: Path, clock: Clock, key: str | None) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        World(tmp_path, clock).control.admit(key)
    assert not key or key not in caught.value.message


def test_a_key_without_limits_may_always_ask(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock)
    for _ in range(1000):
        world.control.charge(world.control.admit(world.key), 1000)
    assert world.used() == Usage(1000, 1_000_000)
    assert world.control.standings(world.record) == []


def test_the_rate_is_limited_and_comes_back(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, requests_per_minute=2)
    world.control.admit(world.key)
    world.control.admit(world.key)
    with pytest.raises(LimitReached, match="2 requests a minute") as caught:
        world.control.admit(world.key)
    assert caught.value.retry_after_s == 30
    assert world.used().requests == 2  # what was refused does not count
    clock.now += 30
    world.control.admit(world.key)


def test_a_day_has_so_many_requests(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, requests_per_day=2, requests_per_minute=100)
    world.control.admit(world.key)
    world.control.admit(world.key)
    with pytest.raises(LimitReached, match="2 requests a day") as caught:
        world.control.admit(world.key)
    assert caught.value.retry_after_s == 12 * 3600
    assert world.control.standings(world.record)[0].left == 98  # and no token was taken
    clock.now += 12 * 3600
    world.control.admit(world.key)


def test_a_day_has_so_many_characters(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, characters_per_day=100)
    record = world.control.admit(world.key)
    world.control.charge(record, 60)
    with pytest.raises(LimitReached, match="of which 40 are left") as caught:
        world.control.charge(record, 41)
    assert caught.value.retry_after_s == 12 * 3600
    world.control.charge(record, 40)
    with pytest.raises(LimitReached, match="100 characters a day"):
        world.control.admit(world.key)


def test_more_characters_than_a_day_has_are_no_matter_of_waiting(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, characters_per_day=100)
    with pytest.raises(InvalidInput, match="101 characters in one request; this key may send 100 a day"):
        world.control.charge(world.record, 101)


def test_how_far_limits_are_used_up(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, requests_per_minute=60, requests_per_day=5, characters_per_day=100)
    world.control.charge(world.control.admit(world.key), 30)
    assert world.control.standings(world.record) == [
        Standing("requests-per-minute", 60, 59, 60, 1),
        Standing("requests-per-day", 5, 4, 86_400, 12 * 3600),
        Standing("characters-per-day", 100, 70, 86_400, 12 * 3600),
    ]


def test_keys_have_limits_of_their_own(tmp_path: Path, clock: Clock) -> None:
    world = World(tmp_path, clock, requests_per_minute=1)
    _, other = KeyFile(tmp_path).create("other", Allowance(requests_per_minute=1), None, clock.moment)
    clock.now += 1
    world.control.admit(world.key)
    world.control.admit(other)
    with pytest.raises(LimitReached):
        world.control.admit(other)


@pytest.fixture
def caller(tmp_path: Path, clock: Clock) -> Iterator[tuple[Caller, World]]:
    """The caller of a request that is being answered, of whose key nothing is known."""
    world = World(tmp_path, clock)
    token = request_caller.set(Caller(world.control))
    own = request_caller.get()
    assert own is not None
    yield own, world
    request_caller.reset(token)


def test_a_caller_that_nobody_has_asked_for_a_key_gets_no_work_done(caller: tuple[Caller, World]) -> None:
    """A protocol that has its key in the body and forgets to look is so no hole."""
    with pytest.raises(NotAuthenticated):
        charge(10)


def test_a_key_from_the_body_counts_once(caller: tuple[Caller, World]) -> None:
    own, world = caller
    identify(world.key)
    identify("another one")  # a header was stronger
    charge(10)
    assert own.record == world.record
    assert world.used() == Usage(1, 10)


def test_a_wrong_key_from_the_body_is_refused(caller: tuple[Caller, World]) -> None:
    with pytest.raises(NotAuthenticated):
        identify("wrong")
    with pytest.raises(NotAuthenticated):
        identify(None)


def test_where_no_key_is_asked_for_nothing_is_counted() -> None:
    identify(None)
    charge(10**9)


def test_what_is_refused_or_fails_costs_no_characters(caller: tuple[Caller, World]) -> None:
    own, world = caller
    identify(world.key)
    charge(10)
    charge(5)
    own.is_told(503)
    assert world.used() == Usage(1, 0)
    for status in (200, 504):
        charge(10)
        own.is_told(status)
    assert world.used() == Usage(1, 20)


def test_a_day_that_has_ended_gives_nothing_back(caller: tuple[Caller, World], clock: Clock) -> None:
    own, world = caller
    identify(world.key)
    charge(10)
    clock.now += 12 * 3600
    world.control.charge(world.record, 7)  # another request's
    own.is_told(422)
    assert world.used() == Usage(0, 7)


def test_an_open_connection_asks_again(caller: tuple[Caller, World], tmp_path: Path, clock: Clock) -> None:
    own, world = caller
    identify(world.key)
    charge(10)
    goes_on()
    charge(5)
    own.is_told(503)
    assert world.used() == Usage(2, 10)  # the first was answered
    KeyFile(tmp_path).revoke("shop")
    clock.now += 1
    with pytest.raises(NotAuthenticated):
        goes_on()
