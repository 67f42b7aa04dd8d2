"""The ingress's end of a connection to one engine (`hub.py`)."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import msgpack

from rondo_models.config import Precision

from ..engine.admission import Queue
from ..engine.exchange import Exchange
from ..engine.hearing import Hearing
from ..engine.messages import PING, PONG, TICK, TickReport
from ..engine.observer import EngineObserver
from .messages import LEAVING, WELCOME

logger = logging.getLogger("rondo")

_PING_EVERY_S = 5.0
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where an engine listens, and what it wants to hear first."""

    host: str
    port: int
    token: bytes


class LinkRefused(Exception):
    """An engine can't be used; the message says why."""


class Link(asyncio.Protocol):
    """One engine and what it has to do. To be used on one event loop only.

    Args:
        reported: called after each report of the engine, which has been handed out.
        leaving: called once the engine wants no more requests.
        lost: called once the connection has ended.
        hang_s: as of `Hearing`.

    Attributes:
        exchange: the requests that the engine has.
        is_leaving: the engine wants no more requests.
    """

    def __init__(
        self,
        address: EngineAddress,
        observer: EngineObserver,
        reported: Callable[["Link", TickReport], None],
        leaving: Callable[["Link"], None],
        lost: Callable[["Link"], None],
        hang_s: float,
    ) -> None:
        self.address = address
        self.exchange = Exchange(self._send, observer)
        self.is_leaving = False
        self._reported = reported
        self._leaving = leaving
        self._lost = lost
        self._held = 0
        self._pace = 0.0
        self._unpacker = msgpack.Unpacker(use_list=True, max_buffer_size=1 << 30)
        self._transport: asyncio.Transport | None = None
        self._welcome: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._pinged_at = 0.0
        self._hearing = Hearing(hang_s)

    async def connect(self, fingerprint: str) -> tuple[Precision, bool]:
        """What the engine says of its reading: number format, and whether answers are independent of each other.

        Args:
            fingerprint: of the bundle that it is to serve.

        Raises:
            LinkRefused: it serves another bundle or is of another version.
            OSError: it can't be reached, or did not answer.
        """
        loop, address = asyncio.get_running_loop(), self.address
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: self, address.host, address.port)
                asked_at = time.monotonic()
                self._write(address.token)
                their_version, their_fingerprint, precision, is_batch_invariant, clock = await self._welcome
        except BaseException:
            self.close()
            raise
        own = version("rondo-nlp")
        if (their_version, their_fingerprint) != (own, fingerprint):
            self.close()
            raise LinkRefused(
                f"the engine at {address.host}:{address.port} is of version {their_version} and serves the bundle "
                f"{their_fingerprint[:12]}; here they are {own} and {fingerprint[:12]}"
            )
        self._set_clock(asked_at, clock)
        return precision, is_batch_invariant

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent there."""
        return self._transport is not None and self._welcome.done() and not self.is_leaving

    @property
    def load(self) -> int:
        """Requests that the engine has, of all who ask it, with those that are on their way there from here."""
        return self._held + self.exchange.num_on_the_way

    @property
    def queue(self) -> Queue:
        """What waits there."""
        return self.exchange.queue(self._pace)

    def look(self) -> float:
        """Compare clocks now and then, and end what is late; seconds for which nothing has come, as `Hearing` counts
        them."""
        self.exchange.expire(time.monotonic())
        if time.monotonic() - self._pinged_at > _PING_EVERY_S:
            self._pinged_at = time.monotonic()
            self._send([PING])
        return self._hearing.look()

    def close(self) -> None:
        """Close the connection; `lost` is called soon."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none, by their class

    def data_received(self, data: bytes) -> None:
        self._hearing.heard()
        self._unpacker.feed(data)
        for message in self._unpacker:
            self._handle(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._welcome.done():
            self._welcome.set_exception(ConnectionResetError("the engine closed the connection"))
        self._lost(self)

    def _handle(self, message: list[Any]) -> None:
        match message:
            case [kind, report, held, pace] if kind == TICK:
                self._held, self._pace = held, pace
                own = TickReport(*report)
                self.exchange.take(own)
                self._reported(self, own)
            case [kind, *description] if kind == WELCOME:
                self._welcome.set_result(description)
            case [kind, clock] if kind == PONG:
                self._set_clock(self._pinged_at, clock)
            case [kind] if kind == LEAVING:
                self.is_leaving = True
                self._leaving(self)
            case _:
                raise ValueError(f"unknown message {message!r}")

    def _set_clock(self, asked_at: float, their_clock: float) -> None:
        """Theirs was read between our question and now, about half way; it is ours if it may be, as on one machine."""
        now = time.monotonic()
        self.exchange.ahead_s = 0.0 if asked_at <= their_clock <= now else their_clock - (asked_at + now) / 2

    def _send(self, message: list[Any]) -> None:
        self._write(msgpack.packb(message))

    def _write(self, content: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(content)
