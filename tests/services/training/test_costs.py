"""Time and energy of a run, over restarts and processes."""

import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from rondo_services.training.costs import FILE, Cost, CostLedger, Session, cost_of, processor_seconds


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class _Meter:
    def __init__(self, basis: str, joules: float) -> None:
        self.basis = basis
        self._joules = joules

    def joules(self) -> float:
        return self._joules


def _ledger(folder: Path, clock: _Clock, **changes: object) -> CostLedger:
    values = {"processors": None, "gpu": None, "has_gpu": False, "clock": clock, **changes}
    return CostLedger(folder, **values)  # type: ignore[arg-type]


def test_an_estimate_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([5.0, 41.0])
    monkeypatch.setattr("rondo_services.training.costs.processor_seconds", lambda: next(seconds))
    clock = _Clock()
    ledger = _ledger(tmp_path, clock, watts_per_core=20.0)
    clock.now_s += 60
    assert ledger.write() == [Session(60.0, 36.0, 0.2, "estimate: processor time at 20 W a core")]


def test_meters_are_added_up(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path, _Clock(), processors=_Meter("counters", 1800), gpu=_Meter("a GPU's", 5400), has_gpu=True)
    (session,) = ledger.write()
    assert (session.energy_wh, session.energy_basis) == (2.0, "counters; a GPU's")


def test_a_gpu_that_tells_nothing_makes_the_energy_unknown(tmp_path: Path) -> None:
    (session,) = _ledger(tmp_path, _Clock(), processors=_Meter("counters", 1800), has_gpu=True).write()
    assert session.energy_wh is None
    assert session.energy_basis.startswith("unknown: ")
    assert cost_of("run", [Session(1.0, 1.0, 3.0, "counters"), session], "cpu", "here").energy_wh is None


def test_what_was_noted_before_a_kill_counts(tmp_path: Path) -> None:
    clock = _Clock()
    first = _ledger(tmp_path, clock, processors=_Meter("counters", 3600))
    clock.now_s += 29
    first.note()
    assert not (tmp_path / FILE).exists()
    clock.now_s += 1
    first.note()
    assert len(json.loads((tmp_path / FILE).read_text())) == 1
    clock.now_s += 500  # killed meanwhile
    second = _ledger(tmp_path, clock, processors=_Meter("counters", 7200))
    clock.now_s += 40
    second.note()
    clock.now_s += 10
    sessions = second.write()
    assert [session.wall_s for session in sessions] == [30, 50]
    cost = cost_of("tiny", sessions, "cpu", "here")
    assert cost == Cost("tiny", 1, "cpu", "here", 80.0, cost.processor_s, 3.0, "counters")
    assert "energy_wh" not in Cost("tiny", 1, "cpu", "here", 1.0, None, None, "unknown").as_record()


def _burn(connection: Connection) -> None:
    began = time.process_time()
    while time.process_time() - began < 0.3:
        pass
    connection.send("done")
    connection.recv()


def test_helpers_count_while_they_run_and_afterwards() -> None:
    before = processor_seconds()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_burn, args=(there,))
    process.start()
    assert here.recv() == "done"
    running = processor_seconds() - before
    here.send("end")
    process.join()
    ended = processor_seconds() - before
    assert running >= 0.25
    assert 0.25 <= ended < running + 0.25  # not twice
