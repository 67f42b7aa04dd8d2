"""A worker's engine without jobs around it: as fast as it gets, and as fast as a service's task alone keeps it.

The engine's process is as a job worker has it. For its peak all works are planned before, and as many are in its queue
as fit. A task alone plans, asks and makes results as a job's chunks do, but nothing is read, packed, stored or written.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.batch_runs import cpu_s_of
from benchmarks.reporting import THREADS
from rondo_services.collecting import collect_seldom
from rondo_services.engine.client import EngineClient
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.requests import Work
from rondo_services.jobs.asking import batch_asker
from rondo_services.jobs.items import Item
from rondo_services.jobs.process import CHUNKS_AT_ONCE, MAX_WAIT_S
from rondo_services.jobs.settings import WORKER_LIMITS
from rondo_services.jobs.spec import JobSpec
from rondo_services.jobs.tasks.choice import task_of
from rondo_services.suite import Suite
from rondo_services.supervised import start_suite


@dataclass(frozen=True, slots=True)
class BareRun:
    """Seconds, and CPU seconds of the process that asks and of the engine's."""

    seconds: float
    cpu_s: float
    engine_cpu_s: float


class _Planned(Exception):
    """What was to be asked is known."""


@asynccontextmanager
async def _worker_engine(bundle: Path) -> AsyncIterator[Suite]:
    """A suite over a new process."""
    options = WorkerOptions(bundle, WORKER_LIMITS, None, MAX_WAIT_S, THREADS)
    suite = await start_suite(options, None, EngineObserver())
    collect_seldom()
    try:
        yield suite
    finally:
        await suite.engine.stop(0)


async def _works(suite: Suite, spec: JobSpec, items: Sequence[Item]) -> list[Work]:
    """All that a task asks for first."""
    works: list[Work] = []

    async def note(asked: Sequence[Work]) -> list[Any]:
        works.extend(asked)
        raise _Planned

    try:
        await task_of(spec, suite).answer(items, note)
    except _Planned:
        return works
    return []


async def _timed(work: Awaitable[object], suite: Suite) -> BareRun:
    assert isinstance(suite.engine, EngineClient)
    assert suite.engine.pid is not None
    pid = suite.engine.pid
    began, cpu_began, engine_began = time.perf_counter(), time.process_time(), cpu_s_of(pid)
    await work
    return BareRun(time.perf_counter() - began, time.process_time() - cpu_began, cpu_s_of(pid) - engine_began)


def engine_peak(bundle: Path, spec: JobSpec, items: Sequence[Item], *, longest_first: bool) -> BareRun:
    """All works at once, in the order of the items or by their length."""

    async def run() -> BareRun:
        async with _worker_engine(bundle) as suite:
            works = await _works(suite, spec, items)
            if longest_first:
                works.sort(key=lambda work: -len(work.ids))
            asker = batch_asker(suite)
            return await _timed(asker.ask(works), suite)

    return asyncio.run(run())


def bare_task(bundle: Path, spec: JobSpec, items: Sequence[Item]) -> BareRun:
    """The task over all items, as many of its chunks at once as a worker has."""

    async def run() -> BareRun:
        async with _worker_engine(bundle) as suite:
            task, asker = task_of(spec, suite), batch_asker(suite)
            begins = iter(range(0, len(items), spec.chunk))

            async def answer_some() -> None:
                for begin in begins:
                    await task.answer(items[begin : begin + spec.chunk], asker.ask)

            return await _timed(asyncio.gather(*(answer_some() for _ in range(CHUNKS_AT_ONCE))), suite)

    return asyncio.run(run())
