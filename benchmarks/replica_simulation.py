"""A thousand replicas on paper: what `replica_model.py` says of them, once it has foretold the real machine.

    python benchmarks/replica_simulation.py [--service sentiment] [--replicas 1000] [--seconds 2] [--no-check]

First the engine's rounds and the server's work are measured. Then one process, and two engines on Ray on the same
cores, are loaded by a closed loop and by requests that come by chance, and the model is asked to foretell what they do
with as many cores as others leave at that moment.
Then it is asked for many replicas: latency against load, knowledge that is old, replicas that die, and late scaling.
The last line is the whole result as JSON.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import Job, Target, measured_from
from benchmarks.offered_load import Offered, OfferedJob
from benchmarks.places import BENCHMARKS, DEFAULT_BUNDLE
from benchmarks.processes import HOST, ServerProcess
from benchmarks.ray_serve import ray_server
from benchmarks.replica_costs import measured_rounds
from benchmarks.replica_model import Cluster, Costs, Machine, Routing, bursts, by_number, poisson
from benchmarks.reporting import bundle_line, describe_bundle, describe_machine, machine_line, table
from benchmarks.servers import rondo_server
from benchmarks.workloads import Workload, workload
from rondo_services.engine.scheduler import Limits

_CORES = 2
_SPIN_S = 0.5
_SPIN = "import time; end = time.perf_counter() + {}\nwhile time.perf_counter() < end: pass\nprint(time.process_time())"
_CLIENTS = 64
_CONNECTIONS = 512
_SHARES = (0.3, 0.6, 0.8)
_WARM_UP_SHARE = 0.25
_STALE_S = (0.01, 0.05, 0.2, 0.5)
_ROUTINGS: tuple[Routing, ...] = ("two", "least", "random")
_FAILING_SHARES = (0.01, 0.1, 0.3)
_LAGS_S = (0.5, 1.0, 2.0)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a real server did under one load."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def _run(program: str, job: Any) -> Any:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / program)], input=json.dumps(asdict(job)), capture_output=True, text=True
    )
    if ended.returncode:
        raise RuntimeError(f"{program}: {ended.stderr}")
    return json.loads(ended.stdout)


def cores_to_be_had() -> float:
    """Processors' time a second that as many busy processes get as a server, its engine and a load are."""
    command = [sys.executable, "-c", _SPIN.format(_SPIN_S)]
    spinning = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(_CORES + 1)]
    cpu_s = sum(float(process.communicate()[0]) for process in spinning)
    return min(_CORES, cpu_s / _SPIN_S)


def closed(server: ServerProcess, work: Workload, seconds: float) -> tuple[Loaded, float]:
    """What clients got that ask again at once, and the processor time of the load a request."""
    job = Job(HOST, [Target(server.port, work.path, work.bodies())], _CLIENTS, seconds, seconds + 60)
    own = measured_from(_run("load.py", job))
    return Loaded(own.requests_per_s, own.p50_ms, own.p99_ms), own.cpu_s / own.num_sent


def by_chance(server: ServerProcess, work: Workload, requests_per_s: float, seconds: float) -> Loaded:
    """What requests got that knew nothing of each other.

    Raises:
        RuntimeError: some were refused, or could not be sent.
    """
    requests = [
        f"POST {work.path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
        for body in work.bodies()
    ]
    job = OfferedJob(server.port, requests, requests_per_s, _CONNECTIONS, seconds, seconds + 60, seed=1)
    own = Offered(**_run("offered_load.py", job))
    if set(own.replies) != {"200"}:
        raise RuntimeError(f"{server.name} at {requests_per_s:.0f} requests a second: {own.replies}")
    return Loaded(own.replies["200"] / seconds, own.p50_ms["200"], own.p99_ms["200"])


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured_costs(bundle: Path, work: Workload, seconds: float) -> Costs:
    """All that the model has to know."""
    reads, steps, lengths, tokens = measured_rounds(bundle, work)
    with rondo_server(bundle, [work.service]) as server:
        closed(server, work, seconds)
        requests = "rondo_http_replies_total"
        before, cpu_before = server.metrics(), _cpu_s(server.pid)
        _, client_s = closed(server, work, seconds)
        cpu_s = _cpu_s(server.pid) - cpu_before
        answered = server.metrics()[requests, work.path] - before[requests, work.path]
    most = max(1, int(Limits().tokens_per_cut / tokens))
    return Costs(by_number(reads), by_number(steps), tuple(lengths), most, cpu_s / answered, client_s)


def _foretold(
    costs: Costs, num_engines: int, cores: float, requests_per_s: float | None, seconds: float
) -> dict[str, float]:
    """What the model says of one machine; None: a closed loop."""
    pace = requests_per_s or 1 / max(costs.ingress_s, costs.read_s[32] / 32)
    machine = Machine(cores, always_busy=min(1.0, pace * costs.client_s))
    cluster = Cluster(costs, num_engines, machine, has_ingress=True)
    if requests_per_s is None:
        cluster.offer_closed(_CLIENTS)
    else:
        cluster.offer(poisson(requests_per_s, cluster.random), seconds)
    return cluster.run(seconds).figures(_WARM_UP_SHARE * seconds, seconds)


def check(server: ServerProcess, num_engines: int, work: Workload, costs: Costs, seconds: float) -> list[Row]:
    """The real server beside what the model foretells, at several loads."""
    rows = []
    saturated, _ = closed(server, work, seconds)
    for share in (None, *_SHARES):
        rate = None if share is None else share * saturated.requests_per_s
        cores = cores_to_be_had()
        real = saturated if rate is None else by_chance(server, work, rate, seconds)
        own = _foretold(costs, num_engines, cores, rate, max(seconds, 4.0))
        errors = {name: own[name] / getattr(real, name) - 1 for name in own}
        row = {"engines": num_engines, "load": share, "cores": cores, "real": asdict(real), "foretold": own}
        rows.append({**row, "errors": errors})
    return rows


def capacity(costs: Costs) -> float:
    """Requests a second of one engine that always has enough to do."""
    cluster = Cluster(costs, 1, Machine(math.inf))
    cluster.offer_closed(4 * _CLIENTS)
    return cluster.run(4.0).figures(1.0, 4.0)["requests_per_s"]


def many(costs: Costs, num_engines: int, seconds: float) -> list[Row]:
    """What the model says of many replicas."""
    most = capacity(costs)
    rows: list[Row] = []

    def add(what: str, detail: str, cluster: Cluster, begin_s: float, end_s: float) -> None:
        outcome = cluster.outcome
        others = {"retried": outcome.num_retried, "failed": outcome.num_failed}
        rows.append({"what": what, "detail": detail, **outcome.figures(begin_s, end_s), **others})
        print(f"{what}: {detail} done", file=sys.stderr)

    def cluster_of(share: float, stale_s: float, routing: Routing = "two", come: Any = poisson) -> Cluster:
        cluster = Cluster(costs, num_engines, Machine(math.inf), routing=routing, stale_s=stale_s)
        cluster.offer(come(share * most * num_engines, cluster.random), math.inf)
        return cluster

    warm_up_s = _WARM_UP_SHARE * seconds
    for come in (poisson, bursts):
        for share in (0.3, 0.6, 0.8, 0.9):
            cluster = cluster_of(share, 0.05, come=come)
            cluster.run(seconds)
            add(come.__name__, f"load {share:.0%}", cluster, warm_up_s, seconds)
    for routing in _ROUTINGS:
        for stale_s in _STALE_S if routing != "random" else _STALE_S[:1]:
            cluster = cluster_of(0.8, stale_s, routing)
            cluster.run(seconds)
            add(f"routing: {routing}", f"load 80%, {1000 * stale_s:g} ms old", cluster, warm_up_s, seconds)
    for failing in _FAILING_SHARES:
        cluster = cluster_of(0.6, 0.05)
        cluster.run(warm_up_s)
        cluster.kill(int(failing * num_engines))
        cluster.run(seconds)
        add("failure", f"load 60%, {failing:.0%} die, none comes back", cluster, warm_up_s, seconds)
    for lag_s in _LAGS_S:
        cluster = cluster_of(1.2, 0.05)  # of the engines that are there
        cluster.run(lag_s)
        cluster.add_engines(num_engines)
        end_s = lag_s + seconds
        cluster.run(end_s)
        add("scaling", f"load 120%, twice the engines after {lag_s:g} s", cluster, 0.0, end_s)
    return rows


def measure(bundle: Path, work: Workload, replicas: int, seconds: float, *, checked: bool) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    costs = measured_costs(bundle, work, seconds)
    checks: list[Row] = []
    if checked:
        with rondo_server(bundle, [work.service]) as server:
            checks += check(server, 1, work, costs, seconds)
        cluster, _ = ray_server(bundle, [work.service], 2, haproxy=False)
        with cluster as server:
            checks += check(server, 2, work, costs, seconds)
    rows = many(replace(costs, ingress_s=0.0), replicas, seconds)
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "benchmark": "replica_simulation",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "service": work.service,
        "replicas": replicas,
        "seconds": seconds,
        "costs": {
            "read_ms": {number: round(1000 * costs.read_s[number], 3) for number in (1, 8, 32, 128)},
            "step_ms": {number: round(1000 * costs.step_s[number], 3) for number in (1, 8, 32, 128)},
            "steps": round(mean(costs.lengths), 1),
            "ingress_ms": round(1000 * costs.ingress_s, 3),
            "client_ms": round(1000 * costs.client_s, 3),
            "capacity_per_s": round(capacity(replace(costs, ingress_s=0.0)), 1),
        },
        "checks": checks,
        "rows": rows,
    }


def _check_lines(checks: Sequence[Row]) -> list[list[str]]:
    lines = []
    for row in checks:
        load = "64 clients" if row["load"] is None else f"{row['load']:.0%}"
        own = [
            f"{row[kind][name]:.{0 if name == 'requests_per_s' else 1}f}"
            for name in ("requests_per_s", "p50_ms", "p99_ms")
            for kind in ("real", "foretold")
        ]
        errors = [f"{row['errors'][name]:+.0%}" for name in ("requests_per_s", "p50_ms", "p99_ms")]
        lines.append([str(row["engines"]), load, f"{row['cores']:.1f}", *own, *errors])
    return lines


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    titles = ["engines", "load", "cores", "req/s", "foretold", "p50 ms", "foretold", "p99 ms", "foretold"]
    lines = [
        machine_line(result["machine"]),
        bundle_line(result["bundle"]),
        f"{result['service']}: {json.dumps(result['costs'])}",
    ]
    if result["checks"]:
        errors = ["error req/s", "p50", "p99"]
        lines += ["", "One machine, real and foretold:", "", table([*titles, *errors], _check_lines(result["checks"]))]
    own = [
        [
            row["what"],
            row["detail"],
            f"{row['requests_per_s']:.0f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            str(row["retried"]),
            str(row["failed"]),
        ]
        for row in result["rows"]
    ]
    lines += ["", f"{result['replicas']} replicas on paper:", ""]
    lines.append(table(["what", "detail", "req/s", "p50 ms", "p99 ms", "retried", "failed"], own))
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    service: Annotated[str, typer.Option(help="sentiment or translation.")] = "sentiment",
    replicas: Annotated[int, typer.Option(min=2, max=10_000)] = 1000,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Of each load, real and on paper.")] = 2.0,
    check_first: Annotated[bool, typer.Option("--check/--no-check", help="Foretell the real machine first.")] = True,
) -> None:
    """Foretell one machine, then many: tables, then one line of JSON."""
    if service not in ("sentiment", "translation"):
        raise typer.BadParameter(f"{service!r} is not modelled; choose sentiment or translation")
    result = measure(bundle, workload(service), replicas, seconds, checked=check_first)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
