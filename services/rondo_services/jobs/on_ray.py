"""The chunks of a job on Ray Data: actors with an engine each answer them, wherever Ray has room.

Only the files have to be where all nodes see them; the store is asked by the process that started the job alone.
"""

import asyncio
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeVar

from ..collecting import collect_seldom
from ..engine.observer import EngineObserver
from ..engine.options import WorkerOptions
from ..errors import InvalidInput, RondoError
from ..supervised import start_suite
from .asking import batch_asker
from .chunks import answer_chunk, delete_answers
from .errors import JobStoreError, told_of
from .files import StateFiles
from .foreground import run_in_foreground
from .means import items_of
from .planning import plan
from .settings import WORKER_LIMITS, WorkerSettings
from .spec import JobSpec
from .store import JobStore
from .tasks.choice import task_of
from .types import Chunk, DoneChunk, Job, Lease

logger = logging.getLogger("rondo")

T = TypeVar("T")

_CHUNKS_AT_ONCE = 8
"""That an actor answers together, so that its engine always has enough to do."""

_WAVE = 4096
"""Chunks that Ray is given at a time, and as many are planned meanwhile. Each wave has actors of its own."""

_ALL = 1_000_000_000
_LOOK_EVERY_S = 0.2
_LEASE_S = 60.0
_SIGNS_A_LEASE = 4
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}


def run_on_ray(
    store: JobStore,
    files: StateFiles,
    job: Job,
    settings: WorkerSettings,
    num_workers: int,
    show: Callable[[Job], None],
    address: str,
) -> Job:
    """Wait until the job has ended. Whatever Ray could not answer, a process of this machine does in the end.

    Args:
        num_workers: actors.
        address: of a cluster, as Ray has them; "local": one that is started here and ends with the job.

    Raises:
        InvalidInput: Ray is not installed.
        WorkersKeepDying: as `run_in_foreground`.
    """
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    try:
        import ray
    except ImportError as error:
        raise InvalidInput("Ray is not installed; pip install 'rondo-nlp[ray]'") from error
    with _signs_of_life(store, name := f"ray-{secrets.token_hex(8)}"), _planning(store, files, job, name) as planning:
        if leases := _wave(store, job, name, planning, show):
            dashboard = False if address == "local" else None
            ray.init(address, log_to_driver=False, logging_level=logging.WARNING, include_dashboard=dashboard)
            logging.getLogger("ray.data").setLevel(logging.WARNING)
            try:
                while leases:
                    _answer(store, files, leases, settings, num_workers, show)
                    leases = _wave(store, job, name, planning, show)
            except ray.exceptions.RayError as error:
                logger.warning("Ray could not answer all of job %s: %s", job.id, error)
            finally:
                ray.shutdown()
    return run_in_foreground(store, job, settings, 1, show)


@contextmanager
def _planning(store: JobStore, files: StateFiles, job: Job, name: str) -> Iterator["Future[None]"]:
    """While it is open, the input is cut into chunks on a thread, always a wave of them ahead."""
    stopped = threading.Event()
    with ThreadPoolExecutor(1, "rondo-planning") as planner:
        try:
            yield planner.submit(_plan, store, files, job, name, stopped.is_set)
        finally:
            stopped.set()


def _plan(store: JobStore, files: StateFiles, job: Job, name: str, stopped: Callable[[], bool]) -> None:
    """Plan as much as there is to plan; what is left in the end, or of a disk in trouble, a worker plans."""
    lease = store.lease(name, _LEASE_S, job_id=job.id, look_ahead=_ALL)
    if lease is None or lease.kind != "plan":
        if lease is not None:
            store.release(lease)
        return
    size = JobSpec.model_validate(job.spec).chunk
    try:
        if not plan(lease, items_of(job), size, store, files, stopped, _WAVE):
            store.release(lease)
    except (JobStoreError, OSError) as error:
        logger.warning("job %s: its input could not be read to its end: %s", job.id, error)
        store.release(lease, trouble=told_of(error))
    except RondoError as error:
        store.fail(lease, error.message)


def _wave(store: JobStore, job: Job, name: str, planning: "Future[None]", show: Callable[[Job], None]) -> list[Lease]:
    """The chunks that are answered together, once enough are planned; none at the end."""
    while not planning.done() and store.num_open_chunks(job.id) < _WAVE:
        _shown(store, job, show)
        time.sleep(_LOOK_EVERY_S)
    return list(islice(_chunks_of(store, job, name), _WAVE))


def _chunks_of(store: JobStore, job: Job, name: str) -> Iterator[Lease]:
    """Chunks that wait for an answer."""
    while (lease := store.lease(name, _LEASE_S, job_id=job.id, look_ahead=0)) is not None:
        if lease.kind != "answer":
            store.release(lease)
            return
        yield lease


def _answer(
    store: JobStore,
    files: StateFiles,
    leases: list[Lease],
    settings: WorkerSettings,
    num_workers: int,
    show: Callable[[Job], None],
) -> None:
    """Answer chunks, each completed as it comes; those of an actor that dies are answered by another."""
    import ray

    job = leases[0].job
    by_number = {lease.chunk.number: lease for lease in leases if lease.chunk is not None}
    rows = [{**asdict(lease.chunk), "token": lease.token} for lease in leases if lease.chunk is not None]
    answered = ray.data.from_items(rows, override_num_blocks=max(1, len(rows) // _CHUNKS_AT_ONCE)).map_batches(
        ChunkActor,
        fn_constructor_args=[settings.values(), job.id, dict(job.spec)],
        batch_size=_CHUNKS_AT_ONCE,
        compute=ray.data.ActorPoolStrategy(size=num_workers),
        num_cpus=settings.threads,
    )
    for row in answered.iter_rows():
        done = DoneChunk(**row)
        if not store.complete(by_number[done.number], done, job.spec["max_errors"]):
            delete_answers(done, files)
        if _shown(store, job, show).has_ended:
            return


def _shown(store: JobStore, job: Job, show: Callable[[Job], None]) -> Job:
    """The job as it stands."""
    found = store.job(job.id)
    assert found is not None, "nobody deletes a job that is waited for"
    show(found)
    return found


class ChunkActor:
    """An engine in a process of Ray's, which answers several chunks at a time."""

    def __init__(self, settings: dict[str, Any], job_id: str, spec: dict[str, Any]) -> None:
        own = WorkerSettings.of(settings)
        self._job_id = job_id
        self._files = StateFiles(own.place.files_url)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="rondo-engine-client", daemon=True).start()
        options = WorkerOptions(own.bundle, WORKER_LIMITS, own.precision, 0.002, own.threads)
        suite = self._run(start_suite(options, None, EngineObserver()))
        collect_seldom()
        self._task = task_of(JobSpec.model_validate(spec), suite)
        self._asker = batch_asker(suite)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Columns of `DoneChunk` for columns of `Chunk` and token."""
        done = self._run(self._answered(batch))
        return {name: [getattr(own, name) for own in done] for name in DoneChunk.__slots__}

    async def _answered(self, batch: dict[str, Any]) -> list[DoneChunk]:
        names = (*Chunk.__slots__, "token")
        answers = []
        for number, first, count, name, token in zip(*(batch[own] for own in names), strict=True):
            chunk = Chunk(int(number), int(first), int(count), str(name))
            answers.append(answer_chunk(self._job_id, chunk, str(token), self._task, self._asker.ask, self._files))
        return await asyncio.gather(*answers)

    def _run(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()


@contextmanager
def _signs_of_life(store: JobStore, name: str) -> Iterator[None]:
    """While it is open, the leases of this process last; then they are given back."""
    ended = threading.Event()

    def give() -> None:
        while not ended.wait(_LEASE_S / _SIGNS_A_LEASE):
            try:
                store.extend(name, _LEASE_S)
            except Exception:
                logger.exception("the leases of %s could not be extended", name)

    thread = threading.Thread(target=give, name="rondo-leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        store.release_worker(name)
