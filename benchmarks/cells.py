"""One cell of a table of servers: a service at one concurrency on one server, over all rounds."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from benchmarks.load import Job, Measured
from benchmarks.places import BENCHMARKS
from benchmarks.processes import HOST, Metrics, ServerProcess
from benchmarks.servers import RONDO
from benchmarks.workloads import Workload

_NUM_COMPARED = 10
_BEYOND_THE_WINDOW_S = 240.0


@dataclass(slots=True)
class Cell:
    """All rounds of one service at one concurrency on one server.

    Attributes:
        cpu_ms: processor time of the server a request, by round.
        load_cpu_share: processor time of the load over the time it ran, by round.
        metrics: growth of the server's own metrics over all rounds.
    """

    measured: list[Measured] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    load_cpu_share: list[float] = field(default_factory=list)
    metrics: Metrics = field(default_factory=lambda: defaultdict(float))

    def summary(self) -> dict[str, float]:
        """Medians over the rounds."""
        names = ("requests_per_s", "p50_ms", "p99_ms", "mean_ms")
        return {
            **{name: round(median(getattr(m, name) for m in self.measured), 3) for name in names},
            "cpu_ms_per_request": round(median(self.cpu_ms), 3),
            "load_cpu_share": round(median(self.load_cpu_share), 3),
            "num_measured": sum(m.num_measured for m in self.measured),
        }

    def ratio(self, other: "Cell") -> float:
        """Requests a second of this over those of `other`: the median of the rounds' ratios."""
        pairs = zip(self.measured, other.measured, strict=True)
        return round(median(a.requests_per_s / b.requests_per_s for a, b in pairs), 3)


def load_once(server: ServerProcess, work: Workload, concurrency: int, seconds: float, cell: Cell) -> None:
    """Load one server once and put what was found into `cell`.

    Raises:
        RuntimeError: the load failed.
    """
    job = Job(HOST, server.port, work.path, work.bodies(), concurrency, seconds, seconds + _BEYOND_THE_WINDOW_S)
    metrics_before = server.metrics() if server.name == RONDO else {}
    cpu_before = server.cpu_s()
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "load.py")],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{server.name} {work.path} at {concurrency} connections: {ended.stderr}")
    measured = Measured(**json.loads(ended.stdout))
    cell.measured.append(measured)
    cell.cpu_ms.append(1000 * (server.cpu_s() - cpu_before) / measured.num_sent)
    cell.load_cpu_share.append(measured.cpu_s / measured.total_s)
    if server.name == RONDO:
        for key, value in server.metrics().items():
            cell.metrics[key] += value - metrics_before.get(key, 0.0)


def share_of_same_answers(servers: Sequence[ServerProcess], work: Workload) -> float:
    """Share of the first texts that all servers answer alike; also the first, unmeasured requests of each."""
    bodies = work.bodies()[:_NUM_COMPARED]
    answers = [[server.answer(work.path, body)[work.answer_field] for body in bodies] for server in servers]
    same = [len(set(row)) == 1 for row in zip(*answers, strict=True)]
    return same.count(True) / len(same)


def description(server: ServerProcess) -> dict[str, float]:
    """What a running server took to start and holds in memory now."""
    return {"startup_s": round(server.startup_s, 2), "resident_mb": round(server.resident_mb(), 1)}


def process_line(name: str, process: dict[str, float]) -> str:
    """`description()` for people."""
    return f"{name}: ready after {process['startup_s']:.2f} s, {process['resident_mb']:.0f} MB resident after the load"
