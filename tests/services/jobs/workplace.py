"""Where workers of a test work."""

import asyncio
from typing import Any

from tests.services.jobs.working import FakeMeans

from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job
from rondo_services.jobs.worker import JobWorker, WorkerTerms

TIMEOUT_S = 30.0


class Workplace:
    """Workers of one store, each with a name of its own."""

    def __init__(self, store: JobStore, files: StateFiles, means: FakeMeans) -> None:
        self.store = store
        self.files = files
        self.means = means
        self._num_workers = 0

    def worker(self, job: Job | None, **terms: Any) -> JobWorker:
        self._num_workers += 1
        own = WorkerTerms(f"worker-{self._num_workers}", "bundle", None if job is None else job.id, **terms)
        return JobWorker(self.store, self.files, self.means, own)

    async def work(self, job: Job, **terms: Any) -> None:
        """A worker of this job, to its end."""
        async with asyncio.timeout(TIMEOUT_S):
            await self.worker(job, **terms).run(asyncio.Event())

    def run(self, job: Job, **terms: Any) -> Job:
        """As `work`; the job as it ended."""
        asyncio.run(self.work(job, **terms))
        return self.found(job)

    def found(self, job: Job) -> Job:
        found = self.store.job(job.id)
        assert found is not None
        return found

    def all_is_free(self, job: Job) -> bool:
        """Whether nobody has a unit: a job that is being cancelled ends at once then."""
        cancelled = self.store.cancel(job.id)
        assert cancelled is not None
        return cancelled.state == "cancelled"
