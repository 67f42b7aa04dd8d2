"""Two engines on Ray Serve against one bare process on the same cores, in the same run.

    python benchmarks/ray_serve.py [--rounds 5] [--seconds 4] [--haproxy]

The ingress is asked where it listens itself and behind Serve's proxy, which is written in Python, or HAProxy with
`--haproxy`. All servers are up all the time, and one is loaded at a time, in turns; figures are medians over the
rounds. The last line is the whole result as JSON.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cells import Cell, description, load_once, process_line, share_of_same_answers
from benchmarks.places import DEFAULT_BUNDLE, ROOT
from benchmarks.processes import ServerProcess, free_port
from benchmarks.reporting import (
    THREADS,
    Bound,
    bounds_table,
    bundle_line,
    describe_bundle,
    describe_machine,
    machine_line,
    table,
)
from benchmarks.servers import RONDO, rondo_server
from benchmarks.workloads import SERVICES, Workload, workload

RAY, PROXY = "ray", "ray behind its proxy"
_LEAST_RATIO = 0.9


def ray_server(bundle: Path, services: Sequence[str], engines: int, *, haproxy: bool) -> tuple[ServerProcess, int]:
    """A cluster of this machine alone, asked where its ingress listens; and the port of Serve's proxy."""
    port, proxy_port = free_port(), free_port()
    command = [sys.executable, str(ROOT / "deploy" / "ray" / "app.py"), "--bundle", str(bundle)]
    command += ["--port", str(proxy_port), "--direct-port", str(port), "--services", ",".join(services)]
    command += ["--min-replicas", str(engines), "--max-replicas", str(engines)]
    environment = {"RONDO_THREADS": str(THREADS), "RAY_SERVE_ENABLE_HA_PROXY": "1" if haproxy else "0"}
    return ServerProcess(RAY, command, port, environment), proxy_port


def behind_proxy(server: ServerProcess, port: int) -> ServerProcess:
    """The same processes, asked at another port."""
    proxied = copy(server)
    proxied.name, proxied.port = PROXY, port
    return proxied


def measure(
    bundle: Path,
    workloads: Sequence[Workload],
    concurrency: int,
    rounds: int,
    seconds: float,
    engines: int,
    *,
    haproxy: bool,
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
    services = [work.service for work in workloads]
    cluster, proxy_port = ray_server(bundle, services, engines, haproxy=haproxy)
    with rondo_server(bundle, services) as rondo, cluster as ray:
        servers = [rondo, ray, behind_proxy(ray, proxy_port)]
        same = {work.service: share_of_same_answers(servers, work) for work in workloads}
        for number in range(rounds):
            order = servers if number % 2 == 0 else servers[::-1]
            for work in workloads:
                for server in order:
                    load_once(server, work, concurrency, seconds, cells[work.service, server.name])
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
        processes = {server.name: description(server) for server in (rondo, ray)}
    machine["load_average_after"] = os.getloadavg()[0]
    rows = []
    bounds = []
    for work in workloads:
        own = {name: cells[work.service, name] for name in (RONDO, RAY, PROXY)}
        ratios = {name: own[name].ratio(own[RONDO]) for name in (RAY, PROXY)}
        rows.append({"service": work.service, "ratios": ratios, **{name: cell.summary() for name, cell in own.items()}})
        bounds.append(Bound(f"{work.service}: {RAY} over {RONDO}", ratios[RAY], least=_LEAST_RATIO).plain())
    return {
        "benchmark": "ray_serve",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "engines": engines,
        "proxy": "HAProxy" if haproxy else "Serve's own",
        "concurrency": concurrency,
        "rounds": rounds,
        "seconds": seconds,
        "processes": processes,
        "same_answers": same,
        "rows": rows,
        "bounds": bounds,
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    titles = ["service", "server", "req/s", "over rondo", "p50 ms", "p99 ms", "CPU ms/req"]
    lines = [
        [
            row["service"],
            name,
            f"{row[name]['requests_per_s']:.1f}",
            f"{row['ratios'].get(name, 1.0):.2f}",
            *(f"{row[name][key]:.1f}" for key in ("p50_ms", "p99_ms")),
            f"{row[name]['cpu_ms_per_request']:.2f}",
        ]
        for row in result["rows"]
        for name in (RONDO, RAY, PROXY)
    ]
    return "\n".join(
        [
            machine_line(result["machine"]),
            bundle_line(result["bundle"]),
            *(process_line(name, process) for name, process in result["processes"].items()),
            "same answers: " + ", ".join(f"{name} {share:.0%}" for name, share in result["same_answers"].items()),
            "",
            f"{result['engines']} engines on Ray, {result['concurrency']} connections, proxy: {result['proxy']}. "
            "Medians over the rounds; the ratio is the median of the rounds' ratios.",
            "",
            table(titles, lines),
            "",
            bounds_table(result["bounds"]),
        ]
    )


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 5,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Measured in each cell.")] = 4.0,
    services: Annotated[str, typer.Option(help="Comma-separated.")] = "sentiment,translation",
    concurrency: Annotated[int, typer.Option(min=1, max=512, help="Connections.")] = 64,
    engines: Annotated[int, typer.Option(min=1, max=8)] = 2,
    haproxy: Annotated[bool, typer.Option("--haproxy", help="Serve's proxy is HAProxy.")] = False,
) -> None:
    """Compare Ray Serve with one bare process: a table, then one line of JSON."""
    names = [name.strip() for name in services.split(",")]
    if unknown := sorted(set(names) - set(SERVICES)):
        raise typer.BadParameter(f"unknown service {', '.join(unknown)}; choose among {', '.join(SERVICES)}")
    workloads = [workload(name) for name in names]
    result = measure(bundle, workloads, concurrency, rounds, seconds, engines, haproxy=haproxy)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
