"""A process that works for jobs, with an engine of its own."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial

from setproctitle import setproctitle

from ..collecting import collect_seldom
from ..engine.client import EngineUnavailable
from ..engine.observer import EngineObserver
from ..engine.options import WorkerOptions
from ..engine.port import EnginePort
from ..server.logs import configure_logs
from ..suite import Suite
from ..supervised import start_suite
from .files import StateFiles
from .means import SuiteMeans
from .settings import WORKER_LIMITS, WorkerSettings
from .store import JobStore
from .worker import JobWorker, Means, WorkerTerms

CHUNKS_AT_ONCE = 48
MAX_WAIT_S = 0.002
_LONGEST_DOWN_S = 75.0
"""Longer than an engine may take to start: without one for so long, there will be none."""

_LOOK_EVERY_S = 0.5

MeansOf = Callable[[Suite, JobStore, StateFiles], Means]


async def work(settings: WorkerSettings, means_of: MeansOf) -> None:
    """Work until SIGTERM or SIGINT, the end of the one job, or of the parent.

    Args:
        means_of: what there is to work with, once the engine is ready.

    Raises:
        BundleError, EngineUnavailable: there can't be an engine, or not any more.
        JobStoreError: there is no store.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.ends_with_input:
        loop.add_reader(sys.stdin.fileno(), partial(_look, stop))
    store, files = JobStore(settings.place.database_url), StateFiles(settings.place.files_url)
    options = WorkerOptions(settings.bundle, WORKER_LIMITS, settings.precision, MAX_WAIT_S, settings.threads)
    try:
        starting = asyncio.create_task(start_suite(options, None, EngineObserver()))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        suite = starting.result()
        collect_seldom()
        watching = asyncio.create_task(_until_down(suite.engine, stop))
        try:
            means = means_of(suite, store, files)
            await JobWorker(store, files, means, _terms(settings, suite)).run(stop)
            if watching.done():
                raise EngineUnavailable("the engine died again and again; see its messages")
        finally:
            watching.cancel()
            await suite.engine.stop(0)
    finally:
        store.close()


def _terms(settings: WorkerSettings, suite: Suite) -> WorkerTerms:
    return WorkerTerms(
        settings.name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        suite.contents.fingerprint,
        settings.job_id or None,
        CHUNKS_AT_ONCE,
        settings.lease_s,
    )


async def _until_down(engine: EnginePort, stop: asyncio.Event) -> None:
    """Wait until the engine has been down for too long; what is begun is given back then, for other workers."""
    down_s = 0.0
    while down_s < _LONGEST_DOWN_S:
        await asyncio.sleep(_LOOK_EVERY_S)
        down_s = 0.0 if engine.is_alive else down_s + _LOOK_EVERY_S
    stop.set()


def _look(stop: asyncio.Event) -> None:
    """Nothing ever comes but the end."""
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def run_process(settings: WorkerSettings, means_of: MeansOf = SuiteMeans) -> None:
    """As `work`, as a process that names itself."""
    setproctitle("rondo-worker")
    configure_logs("text")
    asyncio.run(work(settings, means_of))
