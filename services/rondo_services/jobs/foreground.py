"""A job that somebody waits for: worker processes that are started anew when they die, until it has ended."""

import json
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import EngineFailed
from .settings import WorkerSettings
from .store import JobStore
from .types import Job

_LOOK_EVERY_S = 0.25
_END_TIMEOUT_S = 10.0
_MOST_DEATHS = 5


@dataclass(slots=True)
class _Child:
    name: str
    process: "subprocess.Popen[bytes]"


class WorkersKeepDying(EngineFailed):
    """No worker gets anywhere."""

    code = "workers_keep_dying"


def run_in_foreground(
    store: JobStore, job: Job, settings: WorkerSettings, num_workers: int, show: Callable[[Job], None]
) -> Job:
    """Wait until the job has ended; the processes end with it, or with this one.

    Args:
        num_workers: processes; none if they are elsewhere.
        show: is told how the job stands, several times a second.

    Raises:
        WorkersKeepDying: they died several times, and nothing was done in between.
    """
    children = [_started(settings, job.id) for _ in range(num_workers)]
    deaths: deque[int] = deque(maxlen=_MOST_DEATHS)
    try:
        while True:
            found = store.job(job.id)
            assert found is not None, "nobody deletes a job that is waited for"
            job = found
            show(job)
            if job.has_ended:
                return job
            for number, child in enumerate(children):
                if child.process.poll() is not None:
                    _close(child)
                    store.release_worker(child.name, counts=True)
                    deaths.append(job.num_answered + job.num_bad + job.num_planned)
                    _check(deaths)
                    children[number] = _started(settings, job.id)
            time.sleep(_LOOK_EVERY_S)
    finally:
        _end(children)


def _started(settings: WorkerSettings, job_id: str) -> _Child:
    name = f"foreground-{secrets.token_hex(8)}"
    values = json.dumps(settings.for_job(job_id, name).values())
    command = [sys.executable, "-P", "-m", "rondo_services.jobs", values]
    # Closed here, its number would be that of the next file which the worker opens, such as the database.
    messages = subprocess.DEVNULL if sys.stderr is None else None
    return _Child(name, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages, start_new_session=True))


def _check(deaths: "deque[int]") -> None:
    # In whatever time: on a full disk, each waits for its database before it gives up.
    if len(deaths) == _MOST_DEATHS and deaths[0] == deaths[-1]:
        raise WorkersKeepDying(f"the worker died {_MOST_DEATHS} times with nothing done in between; see its messages")


def _end(children: list[_Child]) -> None:
    for child in children:
        with suppress(ProcessLookupError):
            child.process.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        _close(child)


def _close(child: _Child) -> None:
    if child.process.stdin is not None:
        child.process.stdin.close()
