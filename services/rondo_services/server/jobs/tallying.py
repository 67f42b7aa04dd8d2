"""Metrics of the jobs in the store, counted every few seconds: so whoever asks for metrics never waits for the store.

Servers that share a store all tell the same.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge

from ...jobs.errors import JobStoreError
from ...jobs.store import JobStore
from ...jobs.types import JobState
from .desk import JobDesk

logger = logging.getLogger("rondo")

_EVERY_S = 15.0


class JobGauges:
    """What `tallied` fills."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Gauge(
            "rondo_job_store_up", "1 if the store of jobs answered when it was last asked, else 0", registry=registry
        )
        self._jobs = Gauge("rondo_jobs", "Jobs in the store", ["state"], registry=registry)
        self._records = Gauge(
            "rondo_job_records",
            "Records of the jobs in the store: planned, answered, bad",
            ["stage"],
            registry=registry,
        )

    async def update(self, desk: JobDesk) -> None:
        """Ask the store."""
        try:
            tally = await desk.ask(JobStore.tally)
        except JobStoreError:
            self._answers.set(0)  # the numbers stay what they were; the log has the reason from whoever sweeps
            return
        self._answers.set(1)
        for state in get_args(JobState):
            self._jobs.labels(state).set(tally.states.get(state, 0))
        self._records.labels("planned").set(tally.num_planned)
        self._records.labels("answered").set(tally.num_answered)
        self._records.labels("bad").set(tally.num_bad)


@asynccontextmanager
async def tallied(desk: JobDesk, gauges: JobGauges, every_s: float = _EVERY_S) -> AsyncIterator[None]:
    """While it is open, the gauges are kept up to date."""

    async def keep() -> None:
        while True:
            try:
                await gauges.update(desk)
            except Exception:
                logger.exception("the jobs could not be counted")
            await asyncio.sleep(every_s)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
