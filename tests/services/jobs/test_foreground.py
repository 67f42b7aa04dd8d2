import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.services.jobs.store.conftest import answered, leased
from tests.services.jobs.working import add_job

from rondo_services.jobs import foreground
from rondo_services.jobs.foreground import WorkersKeepDying, run_in_foreground
from rondo_services.jobs.settings import JobPlace, WorkerSettings
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Chunk, Job

DIES = "raise SystemExit(1)"
STAYS = "import sys; sys.stdin.read()"
SETTINGS = WorkerSettings(JobPlace("", ""), Path())
Children = list["subprocess.Popen[bytes]"]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Children]:
    """Let workers be processes that run this program instead; those that were started."""
    monkeypatch.setattr(foreground, "_LOOK_EVERY_S", 0.01)

    def children(program: str) -> Children:
        started: Children = []

        def start(settings: WorkerSettings, job_id: str) -> foreground._Child:
            process = subprocess.Popen([sys.executable, "-S", "-c", program], stdin=subprocess.PIPE)
            started.append(process)
            return foreground._Child(f"child-{len(started)}", process)

        monkeypatch.setattr(foreground, "_started", start)
        return started

    return children


def _finish(store: JobStore, job: Job) -> None:
    """Do the whole job here."""
    plan = leased(store, "here", job_id=job.id)
    assert store.add_chunks(plan, [], done=True)
    assert store.finish(leased(store, "here", job_id=job.id), {})


def test_it_returns_how_the_job_ended_and_ends_the_workers(
    store: JobStore, children: Callable[[str], Children]
) -> None:
    started, shown = children(STAYS), []
    job = add_job(store)

    def show(now: Job) -> None:
        shown.append(now.state)
        if len(shown) == 3:
            _finish(store, job)

    ended = run_in_foreground(store, job, SETTINGS, 2, show)
    assert ended.state == "done"
    assert shown == ["queued"] * 3 + ["done"]
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_workers_that_die_at_once_are_given_up(store: JobStore, children: Callable[[str], Children]) -> None:
    started = children(DIES)
    with pytest.raises(WorkersKeepDying, match="died 5 times with nothing done in between"):
        run_in_foreground(store, add_job(store), SETTINGS, 1, lambda job: None)
    assert len(started) == 5
    assert all(process.poll() is not None for process in started)


def test_workers_that_get_somewhere_are_started_again_and_again(
    store: JobStore, children: Callable[[str], Children]
) -> None:
    started = children(DIES)
    job = add_job(store)
    plan = leased(store, "here")
    num_planned = 0

    def show(now: Job) -> None:
        nonlocal num_planned
        if len(started) > num_planned and not now.has_ended:
            assert store.add_chunks(plan, [Chunk(num_planned, num_planned, 1, "")], done=False)
            num_planned += 1
        if num_planned == 12:
            store.cancel(job.id)
            store.release(plan)

    assert run_in_foreground(store, job, SETTINGS, 1, show).state == "cancelled"
    assert len(started) >= 12


def test_what_a_dead_worker_had_is_given_to_others_at_once(
    store: JobStore, children: Callable[[str], Children]
) -> None:
    children(DIES)
    job = add_job(store)
    plan = leased(store, "here")
    assert store.add_chunks(plan, [Chunk(0, 0, 10, "")], done=True)
    leased(store, "child-1")

    def show(now: Job) -> None:
        if (lease := store.lease("here", 60.0)) is not None:
            assert (lease.kind, lease.attempt) == ("answer", 2)  # it may have died of it
            assert store.complete(lease, answered(lease))
            store.fail(leased(store, "here"), "enough")

    assert run_in_foreground(store, job, SETTINGS, 1, show).state == "failed"


def test_an_interrupt_ends_the_workers(store: JobStore, children: Callable[[str], Children]) -> None:
    started = children(STAYS)

    def show(now: Job) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_foreground(store, add_job(store), SETTINGS, 3, show)
    assert len(started) == 3
    assert all(process.poll() is not None for process in started)


def test_a_worker_that_does_not_end_is_killed(
    store: JobStore, children: Callable[[str], Children], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(foreground, "_END_TIMEOUT_S", 0.2)
    ready = tmp_path / secrets.token_hex(4)
    deaf = f"import signal,time,pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch()"
    started, job = children(f"{deaf}; time.sleep(60)"), add_job(store)

    def show(now: Job) -> None:
        if ready.exists() and not now.has_ended:
            _finish(store, job)

    run_in_foreground(store, job, SETTINGS, 1, show)
    assert started[0].returncode == -9
