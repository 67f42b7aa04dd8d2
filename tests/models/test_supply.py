"""Batches are the same whoever draws them, and processes that draw end with the run, or tell that they died."""

import multiprocessing
import os
import signal
import time

import numpy
import pytest
import torch
from numpy.typing import NDArray

from rondo_models.training.drawing import Drawn
from rondo_models.training.supply import AheadSupply, DirectSupply
from rondo_models.training.tasks import LanguageModelTask, Task
from rondo_models.training.workers import WorkerLost

PAD = 0


def _tasks() -> list[Task]:
    ids: NDArray[numpy.int32] = numpy.random.default_rng(1).integers(4, 20, 200).astype(numpy.int32)
    return [LanguageModelTask(name, "generation", 16, ids, 4, 2, 0.5) for name in ("one", "other")]


def _direct(tasks: list[Task]) -> DirectSupply:
    return DirectSupply(tasks, [1.0, 2.0], seed=3, pad_id=PAD)


def _assert_same(first: tuple[Task, Drawn], second: tuple[Task, Drawn]) -> None:
    (task, drawn), (other_task, other) = first, second
    assert task.name == other_task.name
    assert drawn.backward == other.backward
    assert drawn.tensors.keys() == other.tensors.keys()
    for name, tensor in drawn.tensors.items():
        torch.testing.assert_close(tensor, other.tensors[name], atol=0, rtol=0)


def test_a_batch_depends_on_its_position_alone() -> None:
    tasks = _tasks()
    every, some = _direct(tasks), _direct(tasks)
    batches = [every.take(position) for position in range(60)]
    assert {task.name for task, _ in batches} == {"one", "other"}
    assert {drawn.backward for _, drawn in batches} == {True, False}
    for position in (0, 7, 8, 59):
        _assert_same(some.take(position), batches[position])


def test_a_batch_that_was_passed_is_refused() -> None:
    supply = _direct(_tasks())
    supply.take(5)
    with pytest.raises(ValueError, match="batch 5 has been passed; 6 is next"):
        supply.take(5)


@pytest.mark.parametrize("first", [0, 5])
def test_processes_draw_the_same_batches_and_end(first: int) -> None:
    tasks = _tasks()
    ahead, direct = AheadSupply(tasks, _direct(tasks), first, 2, pinned=False), _direct(tasks)
    for position in range(first, first + 50):
        _assert_same(ahead.take(position), direct.take(position))
    with pytest.raises(ValueError, match=f"batch {first + 50} is next, not {first}"):
        ahead.take(first)
    assert len(multiprocessing.active_children()) == 2
    ahead.close()
    assert multiprocessing.active_children() == []


def _take_all(supply: AheadSupply, position: int, deadline: float) -> None:
    while time.monotonic() < deadline:
        supply.take(position)
        position += 1


def test_a_process_that_died_is_told() -> None:
    """torch raises a bare RuntimeError, which the command would have shown as a traceback."""
    tasks = _tasks()
    supply = AheadSupply(tasks, _direct(tasks), 0, 1, pinned=False)
    supply.take(0)
    (process,) = multiprocessing.active_children()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost, match="a process that draws batches died; go on from the last checkpoint"):
        _take_all(supply, 1, time.monotonic() + 30)
    supply.close()


class _Broken(LanguageModelTask):
    def draw(self, batch: NDArray[numpy.int64], rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        raise RuntimeError("no such window")


def test_an_error_while_drawing_is_no_lost_process() -> None:
    tasks: list[Task] = [_Broken("one", "generation", 16, numpy.arange(200, dtype=numpy.int32), 4, 2, 0.5)]
    supply = AheadSupply(tasks, DirectSupply(tasks, [1.0], 1, PAD), 0, 1, pinned=False)
    with pytest.raises(RuntimeError, match="no such window"):
        supply.take(0)
    supply.close()
