"""Time and energy that a training run took, added up over its processes, restarts included."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..whole_files import written_whole
from .energy import EnergyMeter

FILE = "costs.json"
MEASURED = "measured"
WATTS_PER_CORE = 10.0
"""Of a busy core with its share of the processor; thermal design power over cores is 3 to 15 in servers."""

_WRITE_EVERY_S = 30.0
_JOULES_IN_WH = 3600.0

DeviceKind = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Session:
    """What one process of a run has taken.

    Attributes:
        processor_s: processor time, that of its helpers included.
        energy_wh: None if it is not known.
        energy_basis: where that comes from.
    """

    wall_s: float
    processor_s: float
    energy_wh: float | None
    energy_basis: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stretch of training took, as the manifest keeps it.

    Attributes:
        what: the recipe's name, or what was done.
        stretches: of training that this is the cost of.
        source: `MEASURED`, or where it was written down.
    """

    what: str
    stretches: int
    device: str
    machine: str
    wall_s: float
    processor_s: float | None
    energy_wh: float | None
    energy_basis: str
    source: str = MEASURED

    def as_record(self) -> dict[str, Any]:
        """Plain values, without those that are unknown."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class CostLedger:
    """Notes in the run's folder what this process has taken so far, beside those before it.

    What is not read from meters is estimated, and said to be: processor time times `watts_per_core`. A kill loses the
    last half minute.
    """

    def __init__(
        self,
        folder: Path,
        processors: EnergyMeter | None,
        gpu: EnergyMeter | None,
        *,
        has_gpu: bool,
        watts_per_core: float = WATTS_PER_CORE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = folder / FILE
        self._before = read_sessions(folder)
        self._processors = processors
        self._gpu = gpu
        self._has_gpu = has_gpu
        self._watts_per_core = watts_per_core
        self._clock = clock
        self._began_s = self._written_s = clock()
        self._processor_began_s = processor_seconds()

    def note(self) -> None:
        """Write, unless that was done a moment ago."""
        if self._clock() - self._written_s >= _WRITE_EVERY_S:
            self.write()

    def write(self) -> list[Session]:
        """Write what all processes of the run have taken; the same is returned."""
        sessions = [*self._before, self._session()]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._path) as file:
            file.write(json.dumps([asdict(session) for session in sessions], indent=1).encode() + b"\n")
        self._written_s = self._clock()
        return sessions

    def _session(self) -> Session:
        wall_s = self._clock() - self._began_s
        processor_s = processor_seconds() - self._processor_began_s
        if self._processors is None:
            joules: float | None = processor_s * self._watts_per_core
            basis = f"estimate: processor time at {self._watts_per_core:g} W a core"
        else:
            joules, basis = self._processors.joules(), self._processors.basis
        if self._has_gpu and self._gpu is None:
            joules, basis = None, "unknown: nothing here tells the GPU's power"
        elif self._gpu is not None and joules is not None:
            joules, basis = joules + self._gpu.joules(), f"{basis}; {self._gpu.basis}"
        energy_wh = None if joules is None else round(joules / _JOULES_IN_WH, 4)
        return Session(round(wall_s, 2), round(processor_s, 2), energy_wh, basis)


def cost_of(what: str, sessions: Sequence[Session], device: str, machine: str) -> Cost:
    """The sum of a run's sessions; without an energy if that of one is unknown."""
    energies = [session.energy_wh for session in sessions]
    known = [energy for energy in energies if energy is not None]
    return Cost(
        what,
        1,
        device,
        machine,
        round(sum(session.wall_s for session in sessions), 1),
        round(sum(session.processor_s for session in sessions), 1),
        round(sum(known), 3) if len(known) == len(energies) else None,
        "; ".join(dict.fromkeys(session.energy_basis for session in sessions)),
    )


def processor_seconds() -> float:
    """Of this process, its children that ended, and those that run."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(_seconds_of(child.pid) for child in multiprocessing.active_children() if child.pid is not None)


def _seconds_of(pid: int) -> float:
    """Of a running process, where the system tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_sessions(folder: Path) -> list[Session]:
    """What the processes of a run have taken, as their ledgers noted it in its folder."""
    path = folder / FILE
    if not path.exists():
        return []
    return [Session(**session) for session in json.loads(path.read_text(encoding="utf-8"))]
