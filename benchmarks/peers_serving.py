"""Sentiment requests a second of Rondo, of a naive server and of LitServe with dynamic batching, in the same run.

    python benchmarks/peers_serving.py [--rounds 3] [--seconds 4]

All serve the same weights. LitServe, whose environment `make bench-peers` makes, first runs once with each of some
settings, and goes on with the fastest. Then all servers are up all the time, and one is loaded at a time, in turns;
figures are medians over the rounds. The last line is the whole result as JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cells import Cell, description, load_once, process_line, share_of_same_answers
from benchmarks.places import DEFAULT_BUNDLE, PEERS_PYTHON
from benchmarks.processes import ServerProcess
from benchmarks.reporting import bundle_line, describe_bundle, describe_machine, machine_line, table
from benchmarks.servers import LITSERVE, NAIVE, RONDO, LitServeSettings, litserve_server, naive_server, rondo_server
from benchmarks.workloads import Workload, workload

_SERVICE = "sentiment"


def _litserve_version() -> str:
    program = "import importlib.metadata; print(importlib.metadata.version('litserve'))"
    return subprocess.run([PEERS_PYTHON, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def _tried(
    bundle: Path, settings: Sequence[LitServeSettings], work: Workload, connections: int, seconds: float
) -> list[dict[str, Any]]:
    """Requests a second of LitServe with each of `settings`, best first."""
    tried = []
    for chosen in settings:
        cell = Cell()
        with litserve_server(bundle, chosen) as server:
            share_of_same_answers((server,), work)
            load_once(server, work, connections, seconds, cell)
        tried.append({**asdict(chosen), "requests_per_s": cell.summary()["requests_per_s"]})
        print(f"LitServe with {chosen}: {tried[-1]['requests_per_s']:.1f} requests/s", file=sys.stderr)
    return sorted(tried, key=lambda trial: -trial["requests_per_s"])


def measure(
    bundle: Path,
    work: Workload,
    settings: Sequence[LitServeSettings],
    connections: int,
    rounds: int,
    seconds: float,
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine() | {"litserve": _litserve_version()}
    tried = _tried(bundle, settings, work, connections, seconds)
    best = LitServeSettings(tried[0]["batch_timeout_ms"], tried[0]["fast_queue"])
    cells = {name: Cell() for name in (RONDO, NAIVE, LITSERVE)}
    with (
        rondo_server(bundle, [_SERVICE]) as rondo,
        naive_server(bundle) as naive,
        litserve_server(bundle, best) as litserve,
    ):
        servers: tuple[ServerProcess, ...] = (rondo, naive, litserve)
        same = {other.name: share_of_same_answers((rondo, other), work) for other in (naive, litserve)}
        for number in range(rounds):
            first = number % len(servers)
            for server in (*servers[first:], *servers[:first]):
                load_once(server, work, connections, seconds, cells[server.name])
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
        processes = {server.name: description(server) for server in servers}
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "benchmark": "peers_serving",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "service": _SERVICE,
        "connections": connections,
        "rounds": rounds,
        "seconds": seconds,
        "litserve_settings": tried,
        "processes": processes,
        "same_answers_as_rondo": same,
        "rows": [{"server": name, "ratio": cells[RONDO].ratio(cell), **cell.summary()} for name, cell in cells.items()],
    }


def report(result: dict[str, Any]) -> str:
    """The table for people."""
    best = result["litserve_settings"][0]
    titles = ["server", "req/s", "rondo / this", "p50 ms", "p99 ms", "CPU ms/req"]
    rows = [
        [
            row["server"],
            f"{row['requests_per_s']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['cpu_ms_per_request']:.2f}",
        ]
        for row in result["rows"]
    ]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['service']} at {result['connections']} connections, "
        f"{result['rounds']} rounds of {result['seconds']:g} s a cell",
        f"LitServe {result['machine']['litserve']}, a batch waits {best['batch_timeout_ms']:g} ms, fast queue "
        f"{'on' if best['fast_queue'] else 'off'}: the fastest of {len(result['litserve_settings'])} settings",
        *(process_line(name, process) for name, process in result["processes"].items()),
        "same answers as rondo: "
        + ", ".join(f"{name} {share:.0%}" for name, share in result["same_answers_as_rondo"].items()),
        "",
        "Medians over the rounds; the ratio is the median of the rounds' ratios.",
        "",
        table(titles, rows),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Measured in each cell.")] = 4.0,
    connections: Annotated[int, typer.Option(min=1, max=512)] = 64,
    batch_timeout_ms: Annotated[str, typer.Option(help="Tried for LitServe, comma-separated.")] = "2,5,10",
    fast_queue: Annotated[str, typer.Option(help="Tried for LitServe: on, off or on,off.")] = "on,off",
    data: Annotated[Path | None, typer.Option(help="File with one text a line.")] = None,
) -> None:
    """Compare `rondo serve` with a naive server and LitServe: a table, then one line of JSON."""
    if not PEERS_PYTHON.is_file():
        raise typer.BadParameter("the environment of the peers is missing; `make bench-peers` makes it")
    try:
        work = workload(_SERVICE, data)
        settings = [
            LitServeSettings(float(timeout), {"on": True, "off": False}[queue.strip()])
            for timeout in batch_timeout_ms.split(",")
            for queue in fast_queue.split(",")
        ]
    except (ValueError, KeyError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    result = measure(bundle, work, settings, connections, rounds, seconds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
