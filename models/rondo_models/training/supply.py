"""Hands out the batches of a run, one after another or, so that a GPU need not wait, drawn ahead by other processes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .drawing import Drawn
from .schedule import Schedule
from .tasks import Task
from .workers import WorkerLost

_DRAWN_AHEAD = 16
_SIGNAL_WITHIN_S = 1.0
_DRAWS = 1  # sets these random numbers apart from those of the schedule, which has the same seed


@contextmanager
def lost_loaders_told() -> Iterator[None]:
    """Raise WorkerLost if a process that draws died: torch's handler of SIGCHLD raises wherever the program just is."""
    try:
        yield
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker (pid"):
            raise _lost(error) from error
        raise


def _lost(error: Exception) -> WorkerLost:
    return WorkerLost(f"a process that draws batches died; go on from the last checkpoint ({error})")


class Supply(Protocol):
    """Batches by their position in the run."""

    def take(self, position: int) -> tuple[Task, Drawn]:
        """The batch at `position`, which must come after those that were taken.

        Raises:
            ValueError: it does not.
        """

    def close(self) -> None:
        """End what draws; nothing can be taken afterwards."""


class DirectSupply:
    """Draws each batch when it is asked for.

    A batch depends on the seed and its position alone, so that a resumed run and every process see the same ones.
    """

    def __init__(self, tasks: Sequence[Task], weights: Sequence[float], seed: int, pad_id: int) -> None:
        self._schedule = Schedule(tasks, weights, seed)
        self._seed = seed
        self._pad_id = pad_id
        self._passed = 0

    def take(self, position: int) -> tuple[Task, Drawn]:
        if position < self._passed:
            raise ValueError(f"batch {position} has been passed; {self._passed} is next")
        self._schedule.skip(position - self._passed)
        self._passed = position + 1
        task, batch = self._schedule.next()
        rng = numpy.random.default_rng([self._seed, position, _DRAWS])
        return task, task.draw(batch, rng, self._pad_id, training=True)

    def close(self) -> None:
        """There is nothing to end."""


class _Ahead(IterableDataset[tuple[int, Drawn]]):
    """All batches from `first` on; of several processes each draws its share, in turn."""

    def __init__(self, tasks: Sequence[Task], supply: DirectSupply, first: int) -> None:
        self._tasks = list(tasks)
        self._supply = supply
        self._first = first

    def __iter__(self) -> Iterator[tuple[int, Drawn]]:
        worker = get_worker_info()
        position, step = (self._first, 1) if worker is None else (self._first + worker.id, worker.num_workers)
        while True:
            task, drawn = self._supply.take(position)
            yield self._tasks.index(task), drawn
            position += step


class AheadSupply:
    """Lets `num_processes` others draw the batches from `first` on, which are then taken one after another.

    With `pinned` they lie in memory that a GPU copies from while it computes.
    """

    def __init__(
        self, tasks: Sequence[Task], supply: DirectSupply, first: int, num_processes: int, *, pinned: bool
    ) -> None:
        self._tasks = tasks
        self._position = first
        self._batches: Iterator[tuple[int, Drawn]] = iter(
            DataLoader(
                _Ahead(tasks, supply, first),
                batch_size=None,
                num_workers=num_processes,
                prefetch_factor=_DRAWN_AHEAD,
                multiprocessing_context="fork",
                pin_memory=pinned,
            )
        )

    def take(self, position: int) -> tuple[Task, Drawn]:
        """As `Supply`.

        Raises:
            WorkerLost: a process died while it handed a batch over.
        """
        if position != self._position:
            raise ValueError(f"batch {self._position} is next, not {position}")
        self._position += 1
        try:
            number, drawn = next(self._batches)
        except (ConnectionError, EOFError, FileNotFoundError) as error:  # who drew it was to hand over its memory
            time.sleep(_SIGNAL_WITHIN_S)  # torch also raises at the signal of the death, and later nobody expects that
            raise _lost(error) from error
        return self._tasks[number], drawn

    def close(self) -> None:
        """End the processes, which the iterator does when nobody holds it."""
        self._batches = iter(())
