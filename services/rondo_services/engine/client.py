"""The server's side of an engine in a process of its own: sends requests, ends their tickets, and supervises.

If the process dies or hangs, the requests in flight end at once with `EngineRestarted`, and another is started. One
that hangs while it starts is killed too. After three deaths in a minute it stays down. Time in which it was being
started is not counted for the minute: so it stays down too when it hangs at three starts, however long each took.
"""

import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, replace
from typing import Any

import msgpack

from rondo_models.config import Precision

from ..errors import EngineFailed, EngineRestarted, RondoError
from .admission import Entrance, Queue
from .messages import (
    CANCEL,
    FAILED_TO_START,
    PING,
    PONG,
    READY,
    SUBMIT,
    TICK,
    TickReport,
    received_error,
    received_result,
    received_score,
    work_values,
)
from .observer import EngineObserver
from .options import WorkerOptions
from .requests import OnToken, Priority, Ticket, Work
from .scheduler import Limits

logger = logging.getLogger("rondo")

_PING_EVERY_S = 1.0
_DEATHS_WINDOW_S = 60.0
_MOST_DEATHS = 3
_END_TIMEOUT_S = 5.0
_GENTLY_TIMES = 5
"""So many times as long as usual an engine may take to start that leaves the processors to others."""

_SMALL_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}
"""Of the matrix library: by default it keeps a thousand prepared products, one a shape; 120 MB under load."""


class EngineUnavailable(Exception):
    """The engine's process could not be started; the message says why."""


class _RemoteTicket(Ticket):
    """A ticket whose cancelling is told to the engine's process."""

    def __init__(
        self,
        work: Work,
        deadline: float | None,
        priority: Priority,
        on_token: OnToken | None,
        on_cancel: Callable[[int], None],
    ) -> None:
        super().__init__(work, deadline=deadline, priority=priority, on_token=on_token)
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        if not self.cancelled and not self.future.done():
            self._on_cancel(self.number)
        super().cancel()


class _Connection(asyncio.Protocol):
    """Turns bytes into messages."""

    def __init__(self, handle: Callable[[list[Any]], None], lost: Callable[[], None]) -> None:
        self._handle = handle
        self._lost = lost
        self._unpacker = msgpack.Unpacker(use_list=True, max_buffer_size=1 << 30)

    def data_received(self, data: bytes) -> None:
        self._unpacker.feed(data)
        for message in self._unpacker:
            self._handle(message)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()


class EngineClient:
    """An `EnginePort` over an engine process. To be used on one event loop only.

    Args:
        options: of the process; only the first one starts gently, if it is to.
        entrance: what the engine takes.
        hang_s: without a sign of life for so long, the process is killed and started anew.
        start_timeout_s: if it is not ready so long after it was started, the process is killed.
    """

    def __init__(
        self,
        options: WorkerOptions,
        entrance: Entrance,
        observer: EngineObserver,
        hang_s: float = 30.0,
        start_timeout_s: float = 60.0,
    ) -> None:
        self._options = options
        self._entrance = entrance
        self._observer = observer
        self._hang_s = hang_s
        self._start_timeout_s = start_timeout_s
        self._tickets: dict[int, Ticket] = {}
        self._outbox: list[Ticket] = []
        self._sent = 0
        self._sent_tokens = 0
        self._last = TickReport()
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._started: asyncio.Future[None] | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        self._starting_s = 0.0
        self._last_sign = 0.0
        self._ready = False
        self._precision: Precision | None = None
        self._is_batch_invariant = False
        self._stopping = False

    @property
    def limits(self) -> Limits:
        """How much the engine takes on."""
        return self._entrance.limits

    @property
    def precision(self) -> Precision:
        """The number format in which the engine reads, once it has been ready."""
        assert self._precision is not None
        return self._precision

    @property
    def is_batch_invariant(self) -> bool:
        """As `EnginePort.is_batch_invariant`; False until the engine has been ready."""
        return self._is_batch_invariant

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered."""
        return self._ready and not self._stopping

    @property
    def pid(self) -> int | None:
        """The engine's process, if there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process, and supervise it from then on.

        Raises:
            EngineUnavailable: it could not be started, as with a broken bundle, or was not ready in time.
        """
        await self._launch()
        self._supervision = asyncio.create_task(self._supervise())

    async def _launch(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        self._died.clear()
        self._last, self._sent, self._sent_tokens = TickReport(), 0, 0
        self._started = loop.create_future()
        options = {**asdict(self._options), "bundle": str(self._options.bundle)}
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "rondo_services.engine", str(theirs.fileno()), json.dumps(options)),
                pass_fds=[theirs.fileno()],
                env={**_SMALL_CACHES, **os.environ},
            )
        ours.setblocking(False)
        transport, _ = await loop.create_unix_connection(
            lambda: _Connection(self._handle, self._connection_lost), sock=ours
        )
        self._transport = transport
        try:
            await self._until_ready(self._started)
        except BaseException as error:
            self._kill()
            transport.abort()
            if isinstance(error, EngineUnavailable):
                await self._died.wait()  # of this connection, not of the next one
                await self._process.wait()
            raise
        self._ready = True
        self._options = replace(self._options, gently=False)  # if it dies, everybody waits for the next

    async def _until_ready(self, started: asyncio.Future[None]) -> None:
        """Wait for the process, but not for ever; raises as `start` does."""
        began = time.monotonic()
        timeout_s = self._start_timeout_s * (_GENTLY_TIMES if self._options.gently else 1)
        try:
            async with asyncio.timeout(timeout_s):
                await started
        except TimeoutError:
            raise EngineUnavailable(
                f"the engine was not ready {timeout_s:g} s after its start and has been killed"
            ) from None
        finally:
            self._last_sign = time.monotonic()
            self._starting_s += self._last_sign - began

    def submit_all(
        self,
        works: Sequence[Work],
        *,
        deadline: float | None = None,
        priority: Priority = "interactive",
        on_token: Sequence[OnToken | None] = (),
    ) -> list[Ticket]:
        """As `EnginePort.submit_all`."""
        self._entrance.check(works)
        if self._stopping:
            raise EngineFailed("the engine has stopped")
        if not self._ready:
            raise EngineRestarted("the engine is being started")
        tickets: list[Ticket] = [
            _RemoteTicket(work, deadline, priority, listener, self._cancel)
            for work, listener in zip(works, on_token or [None] * len(works), strict=True)
        ]
        queue = self._queue()
        self._entrance.admit(tickets, queue)
        self._observer.admitted(len(tickets))
        self._observer.queued(queue.waiting + len(tickets))
        self._sent += len(tickets)
        self._sent_tokens += sum(ticket.num_tokens for ticket in tickets)
        self._tickets.update((ticket.number, ticket) for ticket in tickets)
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.extend(tickets)
        return tickets

    def places(self, count: int) -> AbstractContextManager[None]:
        """As `EnginePort.places`."""
        return self._entrance.places(count, self._queue())

    def _queue(self) -> Queue:
        """What the engine last said of its queue, and what has been sent since."""
        last = self._last
        return Queue(
            last.waiting + self._sent - last.received,
            last.waiting_tokens + self._sent_tokens - last.received_tokens,
            self._observer.finished_per_s(time.monotonic()),
        )

    def _flush(self) -> None:
        """Send what was submitted in this round of the event loop, in one message."""
        tickets, self._outbox = self._outbox, []
        waiting = [ticket for ticket in tickets if ticket.number in self._tickets]
        if waiting:
            self._send([SUBMIT, [work_values(ticket) for ticket in waiting]])

    def _cancel(self, number: int) -> None:
        self._flush()  # a request that is cancelled at once must not come after its cancelling
        self._send([CANCEL, [number]])

    def _send(self, message: list[Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(msgpack.packb(message))

    def _handle(self, message: list[Any]) -> None:
        self._last_sign = time.monotonic()
        kind = message[0]
        if kind == TICK:
            self._take(TickReport(*message[1]))
        elif kind == READY and self._started is not None:
            _, self._precision, self._is_batch_invariant = message
            self._started.set_result(None)
        elif kind == FAILED_TO_START and self._started is not None:
            self._started.set_exception(EngineUnavailable(message[1]))
        elif kind != PONG:
            raise ValueError(f"unknown message {message!r}")

    def _take(self, report: TickReport) -> None:
        """Hand out what a tick of the engine brought."""
        self._last = report
        observer, now = self._observer, time.monotonic()
        for number, identifier in report.tokens:
            ticket = self._tickets.get(number)
            if ticket is not None:
                ticket.wrote(identifier, None, observer)
        for number, values in report.scored_tokens:
            if (ticket := self._tickets.get(number)) is not None:
                score = received_score(values)
                ticket.wrote(score.id, score, observer)
        for number, started_at, values in report.finished:
            if (ticket := self._tickets.pop(number, None)) is not None:
                ticket.started_at = started_at
                result = received_result(ticket.work, values)
                ticket.finish(result)
                observer.finished(ticket, result, now)
        for number, code, text in report.failed:
            if (ticket := self._tickets.pop(number, None)) is not None:
                error = received_error(code, text)
                ticket.fail(error)
                observer.dropped(ticket, error)
        if report.cached_prompts:
            observer.cache_used(report.cached_prompts, report.cached_tokens)
        for requests, tokens in report.encoded:
            observer.encoded(requests, tokens)
        observer.queued(report.waiting + self._sent - report.received)
        observer.ticked(report.encode_s, report.decode_s, report.rows)

    def _connection_lost(self) -> None:
        """The process has ended, or closes the connection because it is to end."""
        self._ready = False
        self._transport = None
        if self._started is not None and not self._started.done():
            self._started.set_exception(EngineUnavailable("the engine's process ended before it was ready"))
        self._fail_all(EngineRestarted("the engine's process ended; it is being started anew"))
        self._died.set()

    def _fail_all(self, error: RondoError) -> None:
        tickets, self._tickets = list(self._tickets.values()), {}
        for ticket in tickets:
            ticket.fail(error)

    async def _supervise(self) -> None:
        """Watch for signs of life, and start the process anew when it has died."""
        while not self._stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._died.wait(), _PING_EVERY_S)
            if self._stopping:
                return
            if not self._died.is_set():
                self._look_for_a_sign()
                continue
            await self._end_process(_END_TIMEOUT_S)
            self._deaths.append(time.monotonic() - self._starting_s)
            if len(self._deaths) == _MOST_DEATHS and self._deaths[-1] - self._deaths[0] < _DEATHS_WINDOW_S:
                logger.critical("the engine died %d times in a minute and stays down", _MOST_DEATHS)
                return
            logger.error("the engine's process ended; starting another")
            self._observer.restarted()
            try:
                await self._launch()
                logger.info("the engine is back")
            except (EngineUnavailable, OSError) as error:
                logger.error("the engine could not be started: %s", error)
                self._died.set()

    def _look_for_a_sign(self) -> None:
        silent_s = time.monotonic() - self._last_sign
        if silent_s > self._hang_s and self._process is not None:
            logger.error("the engine gave no sign of life for %.0f s; killing it", silent_s)
            self._last_sign = time.monotonic()
            self._kill()
        else:
            self._send([PING])

    async def _end_process(self, timeout_s: float) -> None:
        """Wait for the process to end by itself, and kill it if it does not."""
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            self._kill()
            await self._process.wait()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            if self._process is not None:
                self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """As `EnginePort.stop`."""
        self._stopping = True
        deadline = time.monotonic() + grace_s
        while self._tickets and self._ready and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._supervision is not None:
            self._supervision.cancel()
        self._fail_all(EngineFailed("the engine has stopped"))
        self._observer.stopped()
        if self._transport is not None:
            self._transport.close()
        await self._end_process(_END_TIMEOUT_S)
