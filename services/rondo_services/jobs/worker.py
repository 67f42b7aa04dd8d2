"""Does the units of jobs, in whatever process it runs: plans inputs, answers chunks, puts outputs together.

Nothing that it has begun counts until the store has taken it: if it dies, others do that again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import EngineFailed, RondoError
from .chunks import answer_chunk, delete_answers
from .errors import JobStoreError, told_of
from .files import StateFiles
from .items import BadItem, Item
from .planning import LOOK_AHEAD, delete_chunks, plan
from .spec import JobSpec
from .store import JobStore
from .tasks.task import Task
from .types import Job, Lease

logger = logging.getLogger("rondo")

_SHORTEST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_LONGEST_TROUBLE_S = 30.0
_SIGNS_A_LEASE = 4

_PLANS_AT_ONCE = 2
"""Each has a thread, on which it waits most of the time until more may be planned."""


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """How a worker works.

    Attributes:
        name: unlike that of any other worker of the store.
        bundle: fingerprint; jobs for another one are left to others.
        job_id: the only job that it looks at, and it ends with it; None: all, for ever.
        chunks_at_once: that are being answered together.
        lease_s: after so long without a sign of life, its work is given to others.
    """

    name: str
    bundle: str
    job_id: str | None = None
    chunks_at_once: int = 6
    lease_s: float = 30.0


class Means(Protocol):
    """What a worker needs of where it runs."""

    @property
    def is_ready(self) -> bool:
        """Whether the engine answers now; while it does not, no unit is begun, as each beginning is counted."""

    def task_of(self, job: Job) -> Task:
        """How a job's items are answered. Raises RondoError if they can't be."""

    def items_of(self, job: Job) -> Iterable[Item | BadItem]:
        """A job's input, from its beginning. Raises RondoError, also later on, for what can't be read."""

    async def finish(self, job: Job) -> Mapping[str, Any]:
        """Put a job's output together, and say what came of it."""

    async def ask(self, works: Any) -> list[Any]:
        """The engine's answers."""


class JobWorker:
    """Takes units as long as there are some.

    Args:
        store, files: of the jobs.
    """

    def __init__(self, store: JobStore, files: StateFiles, means: Means, terms: WorkerTerms) -> None:
        self._store = store
        self._files = files
        self._means = means
        self._terms = terms
        self._tasks: dict[str, Task] = {}
        self._stopped = threading.Event()
        self._num_answering = 0
        self._num_planning = 0
        self._planners = ThreadPoolExecutor(_PLANS_AT_ONCE, "rondo-planning")
        self._trouble_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, or until the one job has ended; what is only begun then is given back.

        Raises:
            JobStoreError: the store does not take a unit back, so that it would be held for ever.
        """
        running: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(stop.wait())
        heartbeat = asyncio.create_task(self._give_signs())
        pause_s = _SHORTEST_PAUSE_S
        try:
            while not stop.is_set():
                if self._has_room and (lease := await self._next()) is not None:
                    self._num_answering += lease.kind == "answer"
                    self._num_planning += lease.kind == "plan"
                    running.add(asyncio.create_task(self._do(lease)))
                    pause_s = _SHORTEST_PAUSE_S
                    continue
                if not running and await self._only_job_has_ended():
                    return
                done, _ = await asyncio.wait({stopping, *running}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                for ended in running & done:
                    ended.result()
                running -= done
                pause_s = _SHORTEST_PAUSE_S if done else min(_LONGEST_PAUSE_S, 2 * pause_s)
        finally:
            self._stopped.set()
            for task in (stopping, heartbeat, *running):
                task.cancel()
            await asyncio.gather(stopping, heartbeat, *running, return_exceptions=True)
            self._planners.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(self._store.release_worker, self._terms.name)

    @property
    def _has_room(self) -> bool:
        return self._means.is_ready and self._num_answering < self._terms.chunks_at_once

    async def _next(self) -> Lease | None:
        terms = self._terms
        look_ahead = LOOK_AHEAD if self._num_planning < _PLANS_AT_ONCE else 0
        return await asyncio.to_thread(
            lambda: self._store.lease(
                terms.name, terms.lease_s, bundle=terms.bundle, job_id=terms.job_id, look_ahead=look_ahead
            )
        )

    async def _only_job_has_ended(self) -> bool:
        if self._terms.job_id is None:
            return False
        job = await asyncio.to_thread(self._store.job, self._terms.job_id)
        return job is None or job.has_ended

    async def _give_signs(self) -> None:
        while True:
            await asyncio.sleep(self._terms.lease_s / _SIGNS_A_LEASE)
            try:
                await asyncio.to_thread(self._store.extend, self._terms.name, self._terms.lease_s)
            except Exception:
                logger.exception("the leases of %s could not be extended", self._terms.name)

    async def _do(self, lease: Lease) -> None:
        """One unit; whatever goes wrong, it is done again later, unless it would go wrong again."""
        did: dict[str, Callable[[Lease], Awaitable[None]]] = {
            "plan": self._plan,
            "answer": self._answer,
            "finish": self._finish,
        }
        try:
            await did[lease.kind](lease)
            self._trouble_since = None
        except (EngineFailed, FileNotFoundError) as error:  # maybe of this unit, and then each time
            await self._again(lease, error, _LONGEST_PAUSE_S, counts=True)
        except (JobStoreError, OSError) as error:
            now = time.monotonic()
            self._trouble_since = now if self._trouble_since is None else self._trouble_since
            lasted_s = now - self._trouble_since
            await self._again(lease, error, min(max(_LONGEST_PAUSE_S, lasted_s), _LONGEST_TROUBLE_S), counts=False)
        except RondoError as error:
            await asyncio.to_thread(self._store.fail, lease, error.message)
        except Exception as error:
            logger.exception("job %s: %s failed", lease.job.id, lease.kind)
            told = f"an internal error ({type(error).__name__}); the worker's log says more"
            await asyncio.to_thread(self._store.fail, lease, told)
        finally:
            self._num_answering -= lease.kind == "answer"
            self._num_planning -= lease.kind == "plan"

    async def _again(self, lease: Lease, error: Exception, pause_s: float, *, counts: bool) -> None:
        """Give a unit back, after a pause in which it would go wrong again."""
        logger.warning("job %s: %s will be done again: %s", lease.job.id, lease.kind, error)
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(self._store.release, lease, trouble=told_of(error), counts=counts)

    async def _plan(self, lease: Lease) -> None:
        size = JobSpec.model_validate(lease.job.spec).chunk
        self._task_of(lease.job)  # a job that can't be answered ends before it is read

        def read() -> bool:
            items = self._means.items_of(lease.job)
            return plan(lease, items, size, self._store, self._files, self._stopped.is_set, LOOK_AHEAD)

        if not await asyncio.get_running_loop().run_in_executor(self._planners, read):
            await asyncio.to_thread(self._store.release, lease)

    async def _answer(self, lease: Lease) -> None:
        job, chunk = lease.job, lease.chunk
        assert chunk is not None
        task = self._task_of(job)
        done = await answer_chunk(job.id, chunk, lease.token, task, self._means.ask, self._files)
        if not await asyncio.to_thread(self._store.complete, lease, done, job.spec["max_errors"]):
            await asyncio.to_thread(delete_answers, done, self._files)

    async def _finish(self, lease: Lease) -> None:
        result = await self._means.finish(lease.job)
        if await asyncio.to_thread(self._store.finish, lease, result):
            await asyncio.to_thread(delete_chunks, lease.job.id, self._files)

    def _task_of(self, job: Job) -> Task:
        task = self._tasks.get(job.id)
        if task is None:
            self._tasks = {**dict(list(self._tasks.items())[-7:]), job.id: self._means.task_of(job)}
            task = self._tasks[job.id]
        return task
