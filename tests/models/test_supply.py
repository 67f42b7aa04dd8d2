"""Batches are the same whoever draws them, and processes that draw end with the run, or tell that they died."""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch
from numpy.typing import NDArray

from rondo_models.training.drawing import Drawn
from rondo_models.training.supply import AheadSupply, DirectSupply, lost_loaders_told
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


DEATH_OF_A_LOADER = """
import multiprocessing, os, signal, sys
from pathlib import Path
import numpy
from rondo_models.backbone import BackboneConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.model import RondoModel
from rondo_models.training.tasks import LanguageModelTask
from rondo_models.training.trainer import Trainer, TrainingConfig
from rondo_models.training.workers import WorkerLost

def kill(step):
    if step == 3:
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

model = RondoModel(BackboneConfig(20, embedding_size=4, hidden_size=4), {"generation": LanguageModelConfig()})
task = LanguageModelTask("one", "generation", 16, numpy.arange(200, dtype=numpy.int32) % 20, 4, 2, 0.5)
config = TrainingConfig(steps=1_000_000, loaders=2, bfloat16=False)
try:
    Trainer(model, [task], [1.0], [], config, Path(sys.argv[1])).run(kill)
except WorkerLost as error:
    print(error, flush=True)
    os._exit(0)
"""


def test_a_process_that_died_is_told(tmp_path: Path) -> None:
    """torch raises a bare RuntimeError, wherever the program just is: hence a process of its own."""
    command = [sys.executable, "-c", DEATH_OF_A_LOADER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a process that draws batches died; go on from the last checkpoint")


@pytest.mark.parametrize("error", [ConnectionResetError(), EOFError(), FileNotFoundError()])
def test_a_process_that_died_while_it_handed_over_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[tuple[int, Drawn]]:
        raise error
        yield

    monkeypatch.setattr("rondo_models.training.supply.DataLoader", lambda *_, **__: broken())
    monkeypatch.setattr("rondo_models.training.supply._SIGNAL_WITHIN_S", 0.0)
    tasks = _tasks()
    supply = AheadSupply(tasks, _direct(tasks), 0, 2, pinned=False)
    with pytest.raises(WorkerLost, match="a process that draws batches died; go on from the last checkpoint"):
        supply.take(0)


def test_the_signal_of_a_death_that_was_noticed_before_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[tuple[int, Drawn]]:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        raise ConnectionResetError
        yield

    def died(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    monkeypatch.setattr("rondo_models.training.supply.DataLoader", lambda *_, **__: broken())
    tasks = _tasks()
    supply = AheadSupply(tasks, _direct(tasks), 0, 2, pinned=False)
    before = signal.signal(signal.SIGALRM, died)
    try:
        with pytest.raises(WorkerLost, match="is killed by signal"), lost_loaders_told():
            supply.take(0)
        time.sleep(0.1)  # nothing is raised here
    finally:
        signal.signal(signal.SIGALRM, before)


class _Broken(LanguageModelTask):
    def draw(self, batch: NDArray[numpy.int64], rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        raise RuntimeError("no such window")


def test_an_error_while_drawing_is_no_lost_process() -> None:
    tasks: list[Task] = [_Broken("one", "generation", 16, numpy.arange(200, dtype=numpy.int32), 4, 2, 0.5)]
    supply = AheadSupply(tasks, DirectSupply(tasks, [1.0], 1, PAD), 0, 1, pinned=False)
    with pytest.raises(RuntimeError, match="no such window"), lost_loaders_told():
        supply.take(0)
    supply.close()
