"""Which task and batch each step takes, and at which learning rate: a pure function of seed and step."""

import math
from collections.abc import Sequence

import numpy

from .tasks import Index, Task


def learning_rate(step: int, num_steps: int, peak: float, num_warmup: int, final_share: float) -> float:
    """Linear warm-up to `peak`, then a cosine down to `final_share` of it at `num_steps`."""
    if step < num_warmup:
        return peak * (step + 1) / num_warmup
    progress = min(1.0, (step - num_warmup) / max(1, num_steps - num_warmup))
    return peak * (final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress)))


class _Cursor:
    """Goes through a task's epochs, batch by batch."""

    def __init__(self, task: Task, seed: int, number: int) -> None:
        self.task = task
        self.key = (seed, number)
        self.epoch = -1
        self.position = 0
        self.batches: list[Index] = []

    def next(self) -> Index:
        while self.position == len(self.batches):
            self.epoch += 1
            self.position = 0
            self.batches = self.task.batches(numpy.random.default_rng([*self.key, self.epoch]), training=True)
        self.position += 1
        return self.batches[self.position - 1]


class Schedule:
    """Draws tasks with the given probabilities and goes through each task's data in epochs.

    The draws of a step depend on the seed and the steps before it alone, so that a resumed run and every worker
    see the same ones.
    """

    def __init__(self, tasks: Sequence[Task], weights: Sequence[float], seed: int) -> None:
        total = sum(weights)
        self.tasks = tasks
        self.probabilities = [weight / total for weight in weights]
        self._rng = numpy.random.default_rng([seed, 0])
        self._cursors = [_Cursor(task, seed, number + 1) for number, task in enumerate(tasks)]

    def next(self) -> tuple[Task, Index]:
        """The next micro-batch."""
        number = int(self._rng.choice(len(self.tasks), p=self.probabilities))
        return self.tasks[number], self._cursors[number].next()

    def skip(self, count: int) -> None:
        """Pass over `count` micro-batches, as after resuming."""
        for _ in range(count):
            self.next()
