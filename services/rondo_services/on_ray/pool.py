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
        self._connecting: dict[EngineAddress, asyncio.Task[None]] = {}
        self._router = Router(self._limits.cached_prompts)
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
        return not self._stopping and any(link.is_usable for link in self._links.values())

    @property
    def num_engines(self) -> int:
        """Those that may be asked."""
        return len(self._usable())

    async def until_alive(self, timeout_s: float) -> None:
        """Return once an engine is there.

        Raises:
            TimeoutError: there was none in that time.
        """
        async with asyncio.timeout(timeout_s):
            await self._came.wait()

    def found(self, addresses: Sequence[EngineAddress]) -> None:
        """Connect to the engines among these that are new. One that is to end says so itself."""
        for address in set(addresses) - set(self._links) - set(self._connecting):
            self._connecting[address] = asyncio.create_task(self._connect(address))

    def look(self) -> None:
        """Compare clocks, and give up engines of which nothing is heard; to be called now and then."""
        for address, link in list(self._links.items()):
            link.look()
            if link.silent_s > self._hang_s:
                logger.error("nothing was heard of the engine at %s:%d for %.0f s", *_where(address), link.silent_s)
                link.close()
        self._count()

    async def _connect(self, address: EngineAddress) -> None:
        link = Link(address, self._observer, self._reported, self._lost)
        try:
            precision, is_batch_invariant = await link.connect(self._fingerprint)
        except (OSError, LinkRefused) as error:
            logger.warning(
                "the engine at %s:%d can't be asked: %s", *_where(address), str(error) or "it does not answer"
            )
            return
        finally:
            del self._connecting[address]
        self._is_batch_invariant = is_batch_invariant and (self._is_batch_invariant or self._precision is None)
        self._precision = self._precision or precision
        self._links[address] = link
        self._came.set()
        self._count()
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
        links = self._usable()
        if not links:
            raise EngineRestarted("no engine is there; one is being started")
        tickets = remote_tickets(works, deadline, priority, on_token)
        queue = self._queue(links)
        self._entrance.admit(tickets, queue)
        self._observer.admitted(len(tickets))
        self._observer.queued(queue.waiting + len(tickets))
        self._send(tickets, links)
        return [*tickets]

    def places(self, count: int) -> AbstractContextManager[None]:
        """As `EnginePort.places`."""
        return self._entrance.places(count, self._queue(self._usable()))

    def _usable(self) -> list[Link]:
        return [link for link in self._links.values() if link.is_usable]

    def _queue(self, links: Sequence[Link]) -> Queue:
        """All that waits; the entrance lets in what all engines together take."""
        number = max(1, len(links))
        self._entrance.limits = replace(
            self._limits,
            max_waiting=self._limits.max_waiting * number,
            max_waiting_tokens=self._limits.max_waiting_tokens * number,
        )
        queues = [link.queue for link in links]
        return Queue(
            sum(queue.waiting for queue in queues),
            sum(queue.waiting_tokens for queue in queues),
            sum(queue.finished_per_s for queue in queues),
        )

    def _send(self, tickets: Sequence[RemoteTicket], links: Sequence[Link]) -> None:
        """Spread requests over engines."""
        own: list[list[RemoteTicket]] = [[] for _ in links]
        extra = [0] * len(links)
        for ticket in tickets:
            place, is_known = self._router.choose(ticket.work, links, extra)
            self._metrics.by_prefix.inc(is_known)
            own[place].append(ticket)
            extra[place] += 1
        for link, batch in zip(links, own, strict=True):
            if batch:
                link.exchange.submit(batch)

    def _reported(self, link: Link, report: TickReport) -> None:
        links = self._links.values()
        self._observer.queued(sum(own.queue.waiting for own in links))
        self._observer.ticked(report.encode_s, report.decode_s, sum(own.exchange.last.rows for own in links))

    def _lost(self, link: Link) -> None:
        """An engine is there no more: ask another one for what nobody has heard of yet, once."""
        if self._links.pop(link.address, None) is None:  # it never was one of ours
            return
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
        if again and (links := self._usable()):
            self._metrics.retried.inc(len(again))
            for ticket in again:
                self._retried.add(ticket.number)
                ticket.future.add_done_callback(partial(self._forget, ticket.number))
            self._send(again, links)
        else:
            for ticket in again:
                self._fail(ticket)
        self._count()

    def _forget(self, number: int, _: object) -> None:
        self._retried.discard(number)

    def _fail(self, ticket: RemoteTicket) -> None:
        error = ticket.expired_or_cancelled(time.monotonic()) or EngineRestarted(_LOST)
        if ticket.fail(error):
            self._observer.dropped(ticket, error)

    def _count(self) -> None:
        self._metrics.engines.set(self.num_engines)

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
