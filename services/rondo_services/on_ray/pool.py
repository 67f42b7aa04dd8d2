"""Many engines as one `EnginePort`: keeps connections to them, spreads requests, and asks again when one is lost.

Knows no Ray: `finding.py` says where the engines are.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from rondo_models.config import Precision

from ..engine.admission import Entrance, Queue
from ..engine.exchange import RemoteTicket, remote_tickets
from ..engine.messages import TickReport
from ..engine.observer import EngineObserver
from ..engine.requests import OnToken, Priority, Ticket, Work
from ..engine.scheduler import Limits
from ..errors import EngineFailed, EngineRestarted
from .link import EngineAddress, Link, LinkRefused
from .metrics import PoolMetrics
from .routing import Router

logger = logging.getLogger("rondo")

_LOST = "the engine that had the request was lost"


class PoolSums:
    """What all engines together have, kept up to date engine by engine: there may be a thousand.

    Attributes:
        rows: sequences being written.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._waiting = 0
        self._waiting_tokens = 0
        self._finished_per_s = 0.0
        self._counted: dict[Link, tuple[Queue, int]] = {}

    @property
    def queue(self) -> Queue:
        """All that waits."""
        return Queue(self._waiting, self._waiting_tokens, self._finished_per_s)

    def count(self, link: Link) -> None:
        """Take note of what an engine has now."""
        self.forget(link)
        queue, rows = link.queue, link.exchange.last.rows
        self._counted[link] = queue, rows
        self._add(queue, rows, 1)

    def forget(self, link: Link) -> None:
        """An engine is there no more."""
        if (counted := self._counted.pop(link, None)) is not None:
            self._add(*counted, -1)

    def _add(self, queue: Queue, rows: int, sign: int) -> None:
        self.rows += sign * rows
        self._waiting += sign * queue.waiting
        self._waiting_tokens += sign * queue.waiting_tokens
        self._finished_per_s = max(0.0, self._finished_per_s + sign * queue.finished_per_s)


class EnginePool:
    """An `EnginePort` over engines that come and go. To be used on one event loop only.

    Args:
        fingerprint: of the bundle that they serve.
        entrance: what one engine takes.
        hang_s: an engine of which nothing is heard for so long is lost.
    """

    def __init__(
        self, fingerprint: str, entrance: Entrance, observer: EngineObserver, metrics: PoolMetrics, hang_s: float
    ) -> None:
        self._fingerprint = fingerprint
        self._entrance = entrance
        self._limits = entrance.limits
        self._observer = observer
        self._metrics = metrics
        self._hang_s = hang_s
        self._links: dict[EngineAddress, Link] = {}
        self._usable: list[Link] = []
        self._refused: set[EngineAddress] = set()
        self._sums = PoolSums()
        self._connecting: dict[EngineAddress, asyncio.Task[None]] = {}
        self._router: Router[Link] = Router(self._limits.cached_prompts)
        self._retried: set[int] = set()
        self._precision: Precision | None = None
        self._is_batch_invariant = False
        self._came = asyncio.Event()
        self._stopping = False

    @property
    def limits(self) -> Limits:
        """How much one engine takes on: a request may not need more, however many there are."""
        return self._limits

    @property
    def precision(self) -> Precision:
        """The number format in which the engine reads that was there first."""
        assert self._precision is not None
        return self._precision

    @property
    def is_batch_invariant(self) -> bool:
        """As `EnginePort.is_batch_invariant`, and whichever engine is asked."""
        return self._is_batch_invariant

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered."""
        return not self._stopping and bool(self._usable)

    @property
    def num_engines(self) -> int:
        """Those that may be asked."""
        return len(self._usable)

    async def until_alive(self, timeout_s: float) -> None:
        """Return once an engine is there.

        Raises:
            TimeoutError: there was none in that time.
        """
        async with asyncio.timeout(timeout_s):
            await self._came.wait()

    def found(self, addresses: Sequence[EngineAddress]) -> None:
        """Connect to the engines among these that are new. One that is to end says so itself."""
        for address in set(addresses) - set(self._links) - set(self._connecting) - self._refused:
            self._connecting[address] = asyncio.create_task(self._connect(address))

    def look(self) -> None:
        """Compare clocks, and give up engines of which nothing is heard; to be called now and then."""
        for address, link in list(self._links.items()):
            silent_s = link.look()
            if silent_s > self._hang_s:
                logger.error("nothing was heard of the engine at %s:%d for %.0f s", *_where(address), silent_s)
                link.close()

    async def _connect(self, address: EngineAddress) -> None:
        link = Link(address, self._observer, self._reported, self._is_leaving, self._lost, self._hang_s)
        try:
            precision, is_batch_invariant = await link.connect(self._fingerprint)
        except LinkRefused as error:
            self._refused.add(address)
            logger.warning("%s", error)
            return
        except OSError as error:
            reason = str(error) or "it does not answer"
            logger.warning("the engine at %s:%d can't be asked: %s", *_where(address), reason)
            return
        finally:
            del self._connecting[address]
        self._is_batch_invariant = is_batch_invariant and (self._is_batch_invariant or self._precision is None)
        self._precision = self._precision or precision
        self._links[address] = link
        self._came.set()
        self._look_who_is_there()
        logger.info("an engine is there, at %s:%d", *_where(address))

    def submit_all(
        self,
        works: Sequence[Work],
        *,
        deadline: float | None = None,
        priority: Priority = "interactive",
        on_token: Sequence[OnToken | None] = (),
    ) -> list[Ticket]:
        """As `EnginePort.submit_all`; requests that come together may go to several engines."""
        self._entrance.check(works)
        if self._stopping:
            raise EngineFailed("the server is stopping")
        if not self._usable:
            raise EngineRestarted("no engine is there; one is being started")
        tickets = remote_tickets(works, deadline, priority, on_token)
        self._entrance.admit(tickets, self._sums.queue)
        self._observer.admitted(len(tickets))
        self._send(tickets)
        return [*tickets]

    def places(self, count: int) -> AbstractContextManager[None]:
        """As `EnginePort.places`."""
        return self._entrance.places(count, self._sums.queue)

    def _look_who_is_there(self) -> None:
        """The entrance lets in what all engines together take."""
        self._usable = [link for link in self._links.values() if link.is_usable]
        self._metrics.engines.set(len(self._usable))
        number = max(1, len(self._usable))
        self._entrance.limits = replace(
            self._limits,
            max_waiting=self._limits.max_waiting * number,
            max_waiting_tokens=self._limits.max_waiting_tokens * number,
        )

    def _send(self, tickets: Sequence[RemoteTicket]) -> None:
        """Spread requests over engines."""
        links = dict.fromkeys(self._send_one(ticket) for ticket in tickets)
        for link in links:
            self._sums.count(link)
        self._observer.queued(self._sums.queue.waiting)

    def _send_one(self, ticket: RemoteTicket) -> Link:
        link, is_known = self._router.choose(ticket.work, self._usable)
        if is_known:
            self._metrics.by_prefix.inc()
        link.exchange.submit([ticket])
        return link

    def _reported(self, link: Link, report: TickReport) -> None:
        self._sums.count(link)
        self._observer.queued(self._sums.queue.waiting)
        self._observer.ticked(report.encode_s, report.decode_s, self._sums.rows)

    def _is_leaving(self, link: Link) -> None:
        logger.info("the engine at %s:%d takes no more requests", *_where(link.address))
        self._look_who_is_there()

    def _lost(self, link: Link) -> None:
        """An engine is there no more: ask another one for what nobody has heard of yet, once."""
        if self._links.pop(link.address, None) is None:  # it never was one of ours
            return
        self._sums.forget(link)
        self._look_who_is_there()
        tickets = [ticket for ticket in link.exchange.take_back() if not ticket.future.done()]
        if not self._stopping:
            logger.warning("the engine at %s:%d is lost, with %d requests", *_where(link.address), len(tickets))
            if not link.is_leaving:
                self._observer.restarted()
        again = []
        for ticket in tickets:
            if self._stopping or ticket.cancelled or ticket.has_told or ticket.number in self._retried:
                self._fail(ticket)
            else:
                again.append(ticket)
        if not self._usable:
            for ticket in again:
                self._fail(ticket)
        elif again:
            self._metrics.retried.inc(len(again))
            for ticket in again:
                self._retried.add(ticket.number)
                ticket.future.add_done_callback(partial(self._forget, ticket.number))
            self._send(again)

    def _forget(self, number: int, _: object) -> None:
        self._retried.discard(number)

    def _fail(self, ticket: RemoteTicket) -> None:
        error = ticket.expired_or_cancelled(time.monotonic()) or EngineRestarted(_LOST)
        if ticket.fail(error):
            self._observer.dropped(ticket, error)

    async def stop(self, grace_s: float) -> None:
        """As `EnginePort.stop`; the engines go on for others."""
        self._stopping = True
        deadline = time.monotonic() + grace_s
        while any(len(link.exchange) for link in self._links.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for task in (connecting := list(self._connecting.values())):
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        for link in list(self._links.values()):
            for ticket in link.exchange.take_back():
                ticket.fail(EngineFailed("the server is stopping"))
            link.close()
        while self._links:  # until each has been told of its end
            await asyncio.sleep(0)


def _where(address: EngineAddress) -> tuple[str, int]:
    return address.host, address.port
