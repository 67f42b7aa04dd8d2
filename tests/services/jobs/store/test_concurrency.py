"""Several processes and threads work on the same jobs at the same moment."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import Queue

from tests.services.jobs.store.conftest import answered, chunks

from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job

_spawn = multiprocessing.get_context("spawn")
_CHUNKS = 30


def _work(url: str, seed: int, told: "Queue[tuple[str, int]]") -> None:
    """Plan, answer and finish until all is done; sometimes lose interest, or let a lease run out."""
    choose = random.Random(seed)
    name = f"worker {seed}"
    with JobStore(url) as store:
        while any(not job.has_ended for job in store.jobs("job", None)):
            lease = store.lease(name, 0.3 if choose.random() < 0.1 else 30.0, look_ahead=8)
            if lease is None:
                time.sleep(0.005)
            elif lease.kind == "plan":
                start = lease.num_chunks
                stop = min(start + 5, _CHUNKS)
                store.add_chunks(lease, chunks(start, stop), done=stop == _CHUNKS)
                store.release(lease)
            elif lease.kind == "answer":
                if choose.random() < 0.05:
                    store.release(lease)
                    continue
                if choose.random() < 0.03:
                    time.sleep(0.35)
                if store.complete(lease, answered(lease, num_bad=choose.randrange(10))) and lease.chunk:
                    told.put((lease.job.id, lease.chunk.number))
            else:
                store.finish(lease, {"by": name})


def test_processes_do_every_chunk_once(url: str) -> None:
    with JobStore(url) as store:
        jobs = [store.add_job("job", "", {}, "bundle") for _ in range(2)]
        told: Queue[tuple[str, int]] = _spawn.Queue()
        processes = [_spawn.Process(target=_work, args=(url, seed, told)) for seed in range(3)]
        for process in processes:
            process.start()
        done = Counter(told.get(timeout=60) for _ in range(2 * _CHUNKS))
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 3
        assert told.empty()
        assert done == {(job.id, number): 1 for job in jobs for number in range(_CHUNKS)}
        for job in jobs:
            ended = store.job(job.id)
            kept = list(store.done_chunks(job.id))
            assert ended is not None
            assert (ended.state, ended.num_planned, store.num_open_chunks(job.id)) == ("done", 10 * _CHUNKS, 0)
            assert ended.num_answered == sum(chunk.num_answered for chunk in kept)
            assert ended.num_bad == sum(chunk.num_bad for chunk in kept)
            assert ended.num_answered + ended.num_bad == 10 * _CHUNKS


def _complete_all(url: str) -> None:
    with JobStore(url) as store:
        while (lease := store.lease("killed", 1.0)) is not None:
            store.complete(lease, answered(lease))


def test_a_killed_process_loses_only_its_lease(url: str, add: Callable[..., Job], store: JobStore) -> None:
    job = add(5_000)
    process = _spawn.Process(target=_complete_all, args=(url,))
    process.start()
    deadline = time.monotonic() + 60
    while store.num_open_chunks(job.id) > 4_980 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    kept = list(store.done_chunks(job.id))
    counted = store.job(job.id)
    assert counted is not None
    assert counted.num_answered == sum(chunk.num_answered for chunk in kept) >= 9 * 20
    assert store.num_open_chunks(job.id) == 5_000 - len(kept)
    assert [chunk.number for chunk in kept] == list(range(len(kept)))


def test_threads_share_a_store(store: JobStore, add: Callable[..., Job]) -> None:
    job = add(80)

    def work(name: str) -> list[int]:
        done = []
        while (lease := store.lease(name, 60.0)) is not None and lease.chunk is not None:
            assert store.complete(lease, answered(lease))
            done.append(lease.chunk.number)
        return done

    with ThreadPoolExecutor(8) as pool:
        done = [number for numbers in pool.map(work, "abcdefgh") for number in numbers]
    assert sorted(done) == list(range(80))
    assert store.job(job.id).num_answered == 9 * 80  # type: ignore[union-attr]


def test_a_job_may_be_cancelled_while_it_is_worked_on(store: JobStore, add: Callable[..., Job]) -> None:
    job = add(400)

    def work(name: str) -> int:
        done = 0
        while (lease := store.lease(name, 60.0)) is not None:
            done += store.complete(lease, answered(lease))
        return done

    with ThreadPoolExecutor(5) as pool:
        workers = [pool.submit(work, name) for name in "abcd"]
        while store.num_open_chunks(job.id) > 380:
            time.sleep(0.001)
        pool.submit(store.cancel, job.id).result()
        done = sum(worker.result() for worker in workers)
    ended = store.job(job.id)
    assert ended is not None
    assert (ended.state, ended.num_answered) == ("cancelled", 9 * done)
    assert len(list(store.done_chunks(job.id))) == done < 400
