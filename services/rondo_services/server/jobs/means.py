"""What a worker has where there is a server's suite: besides the services' jobs, those of requests and of uploads."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool

from ...jobs.asking import Asker
from ...jobs.files import StateFiles
from ...jobs.inputs import open_input
from ...jobs.items import BadItem, Item
from ...jobs.means import SuiteMeans
from ...jobs.spec import JobSpec
from ...jobs.store import JobStore
from ...jobs.tasks.task import Task
from ...jobs.types import Job
from ...suite import Suite
from ..settings import ServerSettings
from .keeping import opened_upload
from .replies import keep_replies
from .request_lines import LineLimits, read_requests
from .requests import AnswerRequest, RequestsTask

UPLOADED = "file-"
"""How the ids of uploaded files begin."""

_REQUESTS_AT_ONCE = 256
"""Of an engine that nobody else asks."""


class ServerMeans(SuiteMeans):
    """As `Means`.

    Args:
        asker: of the engine.
        answer: answers requests of batches.
        settings: of the server: how long the output of a batch is kept, and what its lines may cost.
        requests_at_once: of all batches together.
    """

    def __init__(
        self,
        suite: Suite,
        store: JobStore,
        files: StateFiles,
        asker: Asker,
        answer: AnswerRequest,
        settings: ServerSettings,
        requests_at_once: int = _REQUESTS_AT_ONCE,
    ) -> None:
        super().__init__(suite, store, files, asker, settings.max_text_tokens)
        self._answer = answer
        self._kept_s = settings.jobs_kept_s
        self._limits = LineLimits.of(settings)
        self._turns = asyncio.Semaphore(requests_at_once)

    def task_of(self, job: Job) -> Task:
        """As `Means`."""
        if _is_of_requests(job):
            return RequestsTask(self._answer, job.metadata["endpoint"], self._turns)
        return super().task_of(job)

    def items_of(self, job: Job) -> Iterable[Item | BadItem]:
        """As `Means`; when the requests of a batch have been looked at, that is noted as `in_progress_at`.

        Raises:
            InvalidInput: it can't be read, as the reader says.
        """
        spec = JobSpec.model_validate(job.spec).input
        if not spec.source.startswith(UPLOADED):
            return super().items_of(job)
        opened = partial(opened_upload, self._store, self._files)
        if _is_of_requests(job):
            requests = read_requests(partial(opened, spec.source), job.metadata["endpoint"], self._limits)
            self._store.note(job.id, "in_progress_at")
            return requests
        return open_input(spec, root=None, open_file=opened)

    async def finish(self, job: Job) -> Mapping[str, Any]:
        """As `Means`; when that is begun for a batch is noted as `finalizing_at`."""
        if not _is_of_requests(job):
            return await super().finish(job)
        kept_s = job.metadata.get("output_kept_s") or self._kept_s

        def keep() -> Mapping[str, Any]:
            self._store.note(job.id, "finalizing_at")
            return keep_replies(job, self._store, self._files, time.time(), kept_s, self._limits)

        return await run_in_threadpool(keep)


def _is_of_requests(job: Job) -> bool:
    return bool(job.spec["service"] == "requests")
