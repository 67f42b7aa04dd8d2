"""One cell of a table of servers: a service at one concurrency on one server, over all rounds."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from benchmarks.load import Job, Measured, Target, measured_from
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
    load_together([(server, work)], concurrency, seconds, cell)


def load_together(
    targets: Sequence[tuple[ServerProcess, Workload]], concurrency: int, seconds: float, cell: Cell
) -> None:
    """Load servers at the same time, each workload with the same share of the requests; raises as `load_once` does.

    A server may have several workloads.
    """
    servers = list(dict.fromkeys(server for server, _ in targets))
    jobs = [Target(server.port, work.path, work.bodies()) for server, work in targets]
    job = Job(HOST, jobs, concurrency, seconds, seconds + _BEYOND_THE_WINDOW_S)
    own_metrics = [server for server in servers if server.name == RONDO]
    metrics_before = [server.metrics() for server in own_metrics]
    cpu_before = _cpu_s(servers)
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "load.py")],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        where = ", ".join(f"{server.name} {work.path}" for server, work in targets)
        raise RuntimeError(f"{where} at {concurrency} connections: {ended.stderr}")
    measured = measured_from(json.loads(ended.stdout))
    cell.measured.append(measured)
    cell.cpu_ms.append(1000 * (_cpu_s(servers) - cpu_before) / measured.num_sent)
    cell.load_cpu_share.append(measured.cpu_s / measured.total_s)
    for server, before in zip(own_metrics, metrics_before, strict=True):
        for key, value in server.metrics().items():
            cell.metrics[key] += value - before.get(key, 0.0)


def _cpu_s(servers: Sequence[ServerProcess]) -> float:
    return sum(server.cpu_s() for server in servers)


def answers_of(server: ServerProcess, work: Workload) -> list[str]:
    """To the first texts."""
    return [server.answer(work.path, body)[work.answer_field] for body in work.bodies()[:_NUM_COMPARED]]


def share_of_same(answers: Sequence[Sequence[str]]) -> float:
    """Share of the texts to which all answers are the same."""
    same = [len(set(row)) == 1 for row in zip(*answers, strict=True)]
    return same.count(True) / len(same)


def share_of_same_answers(servers: Sequence[ServerProcess], work: Workload) -> float:
    """Share of the first texts that all servers answer alike; also the first, unmeasured requests of each."""
    return share_of_same([answers_of(server, work) for server in servers])


def description(server: ServerProcess) -> dict[str, float]:
    """What a running server took to start and holds in memory now."""
    return {"startup_s": round(server.startup_s, 2), "resident_mb": round(server.resident_mb(), 1)}


def process_line(name: str, process: dict[str, float]) -> str:
    """`description()` for people."""
    return f"{name}: ready after {process['startup_s']:.2f} s, {process['resident_mb']:.0f} MB resident after the load"
