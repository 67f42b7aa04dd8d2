"""Decides who may ask now: puts the keys, their rates and their quotas together."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import NamedTuple

from ..errors import InvalidInput, LimitReached, NotAuthenticated
from .keyring import Keyring
from .keys import KeyRecord
from .ledger import Ledger
from .rate import TokenBucket

_BUCKETS_KEPT = 10_000
_NO_KEY = "send a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`"
_WRONG_KEY = "this key is not valid: unknown, revoked or expired"
_FAILED = 400
_WORKED_ON = frozenset((499, 504))
"""Whoever goes away, or gives little time, may have had work done all the same."""


class Standing(NamedTuple):
    """How far one of a key's limits is used up.

    Attributes:
        name: `requests-per-minute`, `requests-per-day` or `characters-per-day`.
        window_s: the time that `most` is for.
        reset_s: until all of it is there again.
    """

    name: str
    most: int
    left: int
    window_s: int
    reset_s: int


class AccessControl:
    """Lets requests with a valid key in, as long as the key's limits allow; belongs to one event loop.

    Args:
        clock: seconds of the epoch.
    """

    def __init__(self, keyring: Keyring, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._keyring = keyring
        self._ledger = ledger
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def written_behind(self) -> AbstractAsyncContextManager[None]:
        """While it is open, what is used is written down; see `Ledger.written_behind`."""
        return self._ledger.written_behind()

    def admit(self, key: str | None) -> KeyRecord:
        """Whose request it is; it counts as one.

        Raises:
            NotAuthenticated: there is no key, or it is not valid.
            LimitReached: the key's rate or a quota is used up; the request does not count.
        """
        if key is None:
            raise NotAuthenticated(_NO_KEY)
        record = self._keyring.find(key)
        if record is None:
            raise NotAuthenticated(_WRONG_KEY)
        allowance = record.allowance
        used = self._ledger.today(record.id)
        if allowance.requests_per_day is not None and used.requests >= allowance.requests_per_day:
            raise self._day_is_used_up(f"{allowance.requests_per_day} requests a day")
        if allowance.characters_per_day is not None and used.characters >= allowance.characters_per_day:
            raise self._day_is_used_up(f"{allowance.characters_per_day} characters a day")
        if allowance.requests_per_minute is not None:
            now = self._clock()
            wait_s = self._bucket(record.id, allowance.requests_per_minute, now).take(now)
            if wait_s:
                raise LimitReached(
                    f"this key may send {allowance.requests_per_minute} requests a minute",
                    retry_after_s=math.ceil(wait_s),
                )
        self._ledger.note(record.id, requests=1, characters=0)
        return record

    def charge(self, record: KeyRecord, characters: int) -> int:
        """Count characters of texts that a service is about to work on; the day for which they count.

        Raises:
            InvalidInput: there are more than the key may send on a whole day.
            LimitReached: there are more than are left of this day; none is counted.
        """
        most = record.allowance.characters_per_day
        if most is not None:
            if characters > most:
                raise InvalidInput(f"{characters} characters in one request; this key may send {most} a day")
            left = most - self._ledger.today(record.id).characters
            if characters > left:
                raise self._day_is_used_up(f"{most} characters a day, of which {max(0, left)} are left")
        self._ledger.note(record.id, requests=0, characters=characters)
        return self._ledger.day

    def give_back(self, record: KeyRecord, characters: int, day: int) -> None:
        """Count characters of a day no longer, if it has not ended."""
        if day == self._ledger.day:
            self._ledger.note(record.id, requests=0, characters=-characters)

    def standings(self, record: KeyRecord) -> list[Standing]:
        """Of all limits that the key has."""
        allowance, found = record.allowance, []
        if (most := allowance.requests_per_minute) is not None:
            now = self._clock()
            bucket = self._bucket(record.id, most, now)
            found.append(Standing("requests-per-minute", most, bucket.left(now), 60, bucket.full_in_s(now)))
        used, day_s = self._ledger.today(record.id), self._ledger.day_ends_in_s()
        if (most := allowance.requests_per_day) is not None:
            found.append(Standing("requests-per-day", most, max(0, most - used.requests), 86_400, day_s))
        if (most := allowance.characters_per_day) is not None:
            found.append(Standing("characters-per-day", most, max(0, most - used.characters), 86_400, day_s))
        return found

    def _bucket(self, key_id: str, per_minute: int, now: float) -> TokenBucket:
        bucket = self._buckets.get(key_id)
        if bucket is None or bucket.per_minute != per_minute:
            if len(self._buckets) >= _BUCKETS_KEPT:
                self._buckets.clear()  # of keys that come and go; the others begin a new minute
            bucket = self._buckets[key_id] = TokenBucket(per_minute, now)
        return bucket

    def _day_is_used_up(self, what: str) -> LimitReached:
        return LimitReached(f"this key may send {what} (UTC)", retry_after_s=self._ledger.day_ends_in_s())


class Caller:
    """Who sent one request: known from its head, or only from its body."""

    __slots__ = ("_charged", "_control", "_key", "record")

    def __init__(self, control: AccessControl) -> None:
        self._control = control
        self._key: str | None = None
        self._charged: list[tuple[int, int]] = []
        self.record: KeyRecord | None = None

    def identify(self, key: str | None) -> None:
        """Say with which key the request came; the first time counts.

        Raises as `AccessControl.admit`.
        """
        if self.record is None:
            self.record = self._control.admit(key)
            self._key = key

    def goes_on(self) -> None:
        """A connection that stays open asks once more, which counts as a request; what came before was answered.

        Raises as `AccessControl.admit`.
        """
        self._charged = []
        self.record = self._control.admit(self._key)

    def charge(self, characters: int) -> None:
        """As `AccessControl.charge`.

        Raises:
            NotAuthenticated: no key has been given so far.
        """
        if self.record is None:
            raise NotAuthenticated(_NO_KEY)
        self._charged.append((characters, self._control.charge(self.record, characters)))

    def is_told(self, status: int) -> None:
        """With which status the reply begins: what is refused, or fails for a fault of ours, costs no characters."""
        if self.record is not None and status >= _FAILED and status not in _WORKED_ON:
            for characters, day in self._charged:
                self._control.give_back(self.record, characters, day)
            self._charged = []

    def standings(self) -> list[Standing]:
        """Of the limits of the key, if it has been given."""
        return [] if self.record is None else self._control.standings(self.record)


request_caller: ContextVar[Caller | None] = ContextVar("request_caller", default=None)
"""Of the request that is being answered; None where no key is asked for."""


def identify(key: str | None) -> None:
    """Tell the key of the request that is being answered, where a protocol has it in the body; no more if none is
    asked for, or one came in a header.

    Raises as `AccessControl.admit`.
    """
    if (caller := request_caller.get()) is not None:
        caller.identify(key)


def goes_on() -> None:
    """Look again at the key of the connection that is open, as `Caller.goes_on`, if keys are asked for.

    Raises as `AccessControl.admit`.
    """
    if (caller := request_caller.get()) is not None:
        caller.goes_on()


def is_told(status: int) -> None:
    """Say how the request that is being answered ends, as `Caller.is_told`, if keys are asked for."""
    if (caller := request_caller.get()) is not None:
        caller.is_told(status)


def charge(characters: int) -> None:
    """Count characters for the request that is being answered, if keys are asked for.

    Raises as `Caller.charge`.
    """
    if (caller := request_caller.get()) is not None:
        caller.charge(characters)
