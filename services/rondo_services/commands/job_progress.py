"""How a job stands, for people: a bar in a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..jobs.types import ENDED, JobState

_LINE_EVERY_S = 10.0


class Standing(Protocol):
    """How far a job is, as `Job` has it."""

    @property
    def state(self) -> JobState: ...
    @property
    def num_planned(self) -> int: ...
    @property
    def all_planned(self) -> bool: ...
    @property
    def num_answered(self) -> int: ...
    @property
    def num_bad(self) -> int: ...


@contextmanager
def job_progress() -> Iterator[Callable[[Standing], None]]:
    """A function that is told how the job stands, as often as one likes; all goes to standard error."""
    if sys.stderr is None:  # it was closed
        yield lambda job: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Callable[[Standing], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=None, rate="")
        pace = _Pace()

        def show(job: Standing) -> None:
            done = job.num_answered + job.num_bad
            progress.update(
                task,
                description=_doing(job),
                completed=done,
                total=job.num_planned if job.all_planned else None,
                rate=f"{pace.of(done):.0f}/s",
            )

        yield show


class _Lines:
    """A line every ten seconds, and at the end."""

    def __init__(self) -> None:
        self._last_at = time.monotonic()
        self._pace = _Pace()

    def __call__(self, job: Standing) -> None:
        done, now = job.num_answered + job.num_bad, time.monotonic()
        rate = self._pace.of(done)
        if now - self._last_at < _LINE_EVERY_S and job.state not in ENDED:
            return
        self._last_at = now
        whole = f" of {job.num_planned}" if job.all_planned else ""
        bad = f", {job.num_bad} bad" if job.num_bad else ""
        knows_end = job.all_planned and rate and job.state not in ENDED
        left = f", {(job.num_planned - done) / rate:.0f} s left" if knows_end else ""
        print(f"{_doing(job)}: {done}{whole} records{bad}, {rate:.0f}/s{left}", file=sys.stderr, flush=True)


class _Pace:
    """Records a second since the first that this process saw done."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def of(self, done: int) -> float:
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        began_at, then = self._began
        if done == then:
            self._began = now, done
            return 0.0
        return (done - then) / max(now - began_at, 1e-3)


def _doing(job: Standing) -> str:
    return "planning" if job.state == "running" and not job.num_planned else job.state
