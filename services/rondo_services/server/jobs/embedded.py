"""The worker that a server has: on a thread with an event loop of its own, so that reading files holds up no request.

The engine belongs to the server's loop, so everything is asked there.
"""

import asyncio
import logging
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from ...engine.requests import Work
from ...errors import RondoError
from ...jobs.asking import PatientAsker
from ...jobs.worker import JobWorker, WorkerTerms
from ...releases.fleet import Fleet
from ...releases.rollout import Rollout
from ...suite import Suite, Terms
from ..settings import ServerSettings
from .answering import RequestAnswerer
from .desk import JobDesk
from .means import ServerMeans
from .requests import RequestReply

logger = logging.getLogger("rondo")

T = TypeVar("T")

_WORKS_AT_ONCE = 384
"""In the engine together: as many as keep it busy. How many of them run beside interactive requests, it decides."""

_SHARE = 2
"""Of what may wait, jobs take at most this part, so that nobody else is refused for them."""

_REQUESTS_AT_ONCE = 16
_CHUNKS_AT_ONCE = 4
_PAUSE_S = 10
_SWEEP_EVERY_S = 60.0
_AT_BATCH_PRIORITY = Terms(None, "batch")


class EmbeddedWorker:
    """A `JobWorker` on a thread. It is to be made on the server's loop.

    Args:
        desk: whose jobs are done.
    """

    def __init__(self, desk: JobDesk, suite: Suite, settings: ServerSettings) -> None:
        self._desk = desk
        self._suite = suite
        self._settings = settings
        self._answerer = RequestAnswerer(suite, settings)
        self._server_loop = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="rondo-jobs", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    async def stop(self) -> None:
        """Give back what has been begun, and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._work_until_stopped())

    async def _work_until_stopped(self) -> None:
        """Begin again when the store fails, which may be its server's restart."""
        while not self._stop.is_set():
            try:
                await self._work()
            except Exception as error:
                logger.error(
                    "no jobs are done for %d s: %s", _PAUSE_S, error, exc_info=not isinstance(error, RondoError)
                )
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_S):
                        await self._stop.wait()

    async def _work(self) -> None:
        store, files = await asyncio.to_thread(self._desk.open)
        if num_of_others := await asyncio.to_thread(store.num_of_others, self._suite.contents.fingerprint):
            logger.warning(
                "%d jobs are of another bundle, and wait for it to be served again or for a `rondo worker` that has it",
                num_of_others,
            )
        limits = self._suite.engine.limits
        own = replace(
            limits,
            max_waiting=max(1, limits.max_waiting // _SHARE),
            max_waiting_tokens=max(1, limits.max_waiting_tokens // _SHARE),
        )
        asker = PatientAsker(self._ask, own, _WORKS_AT_ONCE)
        means = ServerMeans(self._suite, store, files, asker, self._answer, self._settings, _REQUESTS_AT_ONCE)
        name = f"server-{socket.gethostname()}-{secrets.token_hex(8)}"
        terms = WorkerTerms(name, self._suite.contents.fingerprint, chunks_at_once=_CHUNKS_AT_ONCE)
        await JobWorker(store, files, means, terms).run(self._stop)

    async def _ask(self, works: Sequence[Work]) -> list[Any]:
        return await self._on_server(self._suite.run(works, _AT_BATCH_PRIORITY))

    async def _answer(self, endpoint: str, body: bytes) -> RequestReply:
        return await self._on_server(self._answerer.answer(endpoint, body))

    async def _on_server(self, question: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._server_loop))


@asynccontextmanager
async def at_work(
    desk: JobDesk, fleet: Fleet, settings: ServerSettings, rollout: Rollout | None
) -> AsyncIterator[None]:
    """While it is open, jobs are done here if the settings say so, and what is too old is deleted.

    Each is done by the release that was the default's when it was handed in; others wait for that to come back.
    """
    worker = _started(desk, fleet, settings)
    turn = asyncio.Lock()

    async def exchange() -> None:
        nonlocal worker
        async with turn:
            if worker is not None:
                await worker.stop()
                worker = _started(desk, fleet, settings)

    if rollout is not None:
        rollout.when_default_changes = exchange
    sweeping = asyncio.create_task(_sweep(desk))
    try:
        yield
    finally:
        sweeping.cancel()
        async with turn:
            if worker is not None:
                await worker.stop()
                worker = None
        await asyncio.to_thread(desk.close)


def _started(desk: JobDesk, fleet: Fleet, settings: ServerSettings) -> EmbeddedWorker | None:
    if settings.jobs != "on":
        return None
    worker = EmbeddedWorker(desk, fleet.default.current.suite, settings)
    worker.start()
    return worker


async def _sweep(desk: JobDesk) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        try:
            await asyncio.to_thread(desk.drop_old)
        except Exception:
            logger.exception("old jobs and files could not be deleted")
