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
from .exchange import Exchange, remote_tickets
from .hearing import Hearing
from .messages import FAILED_TO_START, PING, PONG, READY, TICK, TickReport
from .observer import EngineObserver
from .options import SMALL_CACHES, WorkerOptions
from .requests import OnToken, Priority, Ticket, Work
from .scheduler import Limits

logger = logging.getLogger("rondo")

_PING_EVERY_S = 1.0
_DEATHS_WINDOW_S = 60.0
_MOST_DEATHS = 3
_END_TIMEOUT_S = 5.0
_GENTLY_TIMES = 5
"""So many times as long as usual an engine may take to start that leaves the processors to others."""


class EngineUnavailable(Exception):
    """The engine's process could not be started; the message says why."""


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
        self._exchange = Exchange(self._send, observer)
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._started: asyncio.Future[None] | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        self._starting_s = 0.0
        self._hearing = Hearing(hang_s)
        self._ready = False
        self._precision: Precision | None = None
        self._is_batch_invariant = False
        self._is_given_up = False
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
        self._exchange = Exchange(self._send, self._observer)
        self._started = loop.create_future()
        options = {**asdict(self._options), "bundle": str(self._options.bundle)}
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "rondo_services.engine", str(theirs.fileno()), json.dumps(options)),
                pass_fds=[theirs.fileno()],
                env={**SMALL_CACHES, **os.environ},
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
            self._hearing.heard()
            self._starting_s += time.monotonic() - began

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
        if self._is_given_up:
            raise EngineFailed("the engine stays down, as it died too often; the server has to be started anew")
        if not self._ready:
            raise EngineRestarted("the engine is being started")
        tickets = remote_tickets(works, deadline, priority, on_token)
        queue = self._queue()
        self._entrance.admit(tickets, queue)
        self._observer.admitted(len(tickets))
        self._observer.queued(queue.waiting + len(tickets))
        self._exchange.submit(tickets)
        return [*tickets]

    def places(self, count: int) -> AbstractContextManager[None]:
        """As `EnginePort.places`."""
        return self._entrance.places(count, self._queue())

    def _queue(self) -> Queue:
        return self._exchange.queue(self._observer.finished_per_s(time.monotonic()))

    def _send(self, message: list[Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(msgpack.packb(message))

    def _handle(self, message: list[Any]) -> None:
        self._hearing.heard()
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
        self._exchange.take(report)
        self._observer.queued(report.waiting + self._exchange.num_on_the_way)
        self._observer.ticked(report.encode_s, report.decode_s, report.rows)

    def _connection_lost(self) -> None:
        """The process has ended, or closes the connection because it is to end."""
        self._ready = False
        self._transport = None
        if self._started is not None and not self._started.done():
            self._started.set_exception(EngineUnavailable("the engine's process ended before it was ready"))
        self._fail_all(EngineRestarted("the engine's process ended; it is being started anew"))
        self._died.set()

    def _fail_all(self, error: RondoError) -> None:
        for ticket in self._exchange.take_back():
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
                self._is_given_up = True
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
        self._exchange.expire(time.monotonic())
        silent_s = self._hearing.look()
        if silent_s > self._hang_s and self._process is not None:
            logger.error("the engine gave no sign of life for %.0f s; killing it", silent_s)
            self._hearing.heard()
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
        while len(self._exchange) and self._ready and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._supervision is not None:
            self._supervision.cancel()
        self._fail_all(EngineFailed("the engine has stopped"))
        self._observer.stopped()
        if self._transport is not None:
            self._transport.close()
        await self._end_process(_END_TIMEOUT_S)
