"""What clients notice while a bundle is exchanged under load.

    python benchmarks/hot_reload.py [--rounds 3] [--seconds 10] [--connections 64]

A server gets requests for all four services on 64 connections all the time. In each round it is left alone for some
seconds, then told to read another bundle (a copy with another vocabulary of labels, so another fingerprint), and then
left alone again; the next round goes on to the other bundle. "during" is from the order until the engine of the old
release has ended. The order and the look at what is served are sent by a process beside the load. The last line is the
whole result as JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import Job, Target, quantile
from benchmarks.places import BENCHMARKS, DEFAULT_BUNDLE
from benchmarks.processes import HOST, ServerProcess, free_port
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
from benchmarks.servers import RONDO
from benchmarks.workloads import SERVICES, workload
from rondo_models.manifest import read_contents, write_manifest
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance
from rondo_services.client.bundles import BundlesClient

_MOST_P99_RATIO = 2.0
_PHASES = ("before", "during", "after")
_LONGEST_S = 1800.0
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Phase:
    """What clients noticed in a while.

    Attributes:
        num_errors: replies that were not 200, and requests without a reply.
        releases: replies by the release that they are from.
    """

    seconds: float
    requests_per_s: float
    num_errors: int
    p50_ms: float
    p99_ms: float
    releases: Mapping[str, int]


def phase_of(rows: Sequence[Sequence[Any]], began: float, ended: float) -> Phase:
    """The replies that came from one second of the monotonic clock to another."""
    own = [row for row in rows if began <= row[0] < ended]
    ordered = sorted(latency for _, latency, status, _ in own if status == 200)
    releases = [release for _, _, status, release in own if status == 200]
    return Phase(
        seconds=round(ended - began, 2),
        requests_per_s=round(len(ordered) / (ended - began), 1),
        num_errors=len(own) - len(ordered),
        p50_ms=round(1000 * quantile(ordered, 0.5), 1) if ordered else 0.0,
        p99_ms=round(1000 * quantile(ordered, 0.99), 1) if ordered else 0.0,
        releases={release: releases.count(release) for release in sorted(set(releases))},
    )


def _other_bundle(folder: Path) -> None:
    """A copy whose labels are in another order: another bundle of the same cost."""
    shutil.copytree(DEFAULT_BUNDLE, folder)
    contents = read_contents(folder)
    configs = json.loads(json.dumps(contents.configs))
    configs["heads"]["sentiment"]["labels"].reverse()
    write_manifest(folder, contents.manifest, configs, contents.files)


def _server(root: Path) -> ServerProcess:
    port = free_port()
    command = [str(Path(sys.executable).with_name("rondo")), "serve", "--bundle", str(root / "first")]
    environment = {
        "RONDO_THREADS": str(THREADS),
        "RONDO_STATE_DIR": str(root / "state"),
        "RONDO_BUNDLES_DIR": str(root),
    }
    return ServerProcess(RONDO, [*command, "--host", HOST, "--port", str(port)], port, environment)


def _exchange(server: ServerProcess, client: BundlesClient, path: str) -> float:
    """Have another bundle answer, and wait until the engine of the one before has ended; the most memory meanwhile."""
    (bundle,) = client.bundles()
    most_mb = 0.0
    with ThreadPoolExecutor(1) as thread:
        changing = thread.submit(client.reload, bundle.name, path)
        while not changing.done() or len(client.bundles()[0].releases) > 1:
            most_mb = max(most_mb, server.proportional_mb())
            time.sleep(_LOOK_EVERY_S)
    assert changing.result().change == "reload", changing.result().change
    return most_mb


def _measure(
    server: ServerProcess, client: BundlesClient, rounds: int, seconds: float, connections: int
) -> tuple[list[dict[str, Phase]], float]:
    """The phases of each round, and the most memory that was taken at any time."""
    targets = [Target(server.port, work.path, work.bodies()) for work in map(workload, SERVICES)]
    job = Job(HOST, targets, connections, seconds, _LONGEST_S)
    load = subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "timed_load.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert load.stdin is not None
    load.stdin.write(json.dumps(asdict(job)) + "\n")
    load.stdin.flush()
    time.sleep(seconds)  # until all is warm
    moments, most_mb = [], 0.0
    for number in range(rounds):
        began = time.monotonic()
        time.sleep(seconds)
        ordered_at = time.monotonic()
        most_mb = max(most_mb, _exchange(server, client, "first" if number % 2 else "second"))
        done_at = time.monotonic()
        time.sleep(seconds)
        moments.append((began, ordered_at, done_at, time.monotonic()))
    output, _ = load.communicate()
    if load.returncode:
        raise RuntimeError("the load failed")
    rows = json.loads(output)
    phases = [
        {name: phase_of(rows, *edges) for name, edges in zip(_PHASES, pairwise(own), strict=True)} for own in moments
    ]
    return phases, most_mb


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="Before, and after, each exchange.")] = 10.0,
    connections: Annotated[int, typer.Option(min=1)] = 64,
) -> None:
    """Exchange a bundle under load, several times."""
    machine, bundle = describe_machine(), describe_bundle(DEFAULT_BUNDLE)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(DEFAULT_BUNDLE, root / "first")
        _other_bundle(root / "second")
        file = KeyFile(root / "state")
        _, key = file.create("benchmark", Allowance(), None, datetime.now(UTC), admin=True)
        with _server(root) as server, BundlesClient(f"http://{HOST}:{server.port}", api_key=key) as client:
            before_mb = server.proportional_mb()
            measured, most_mb = _measure(server, client, rounds, seconds, connections)
            after_mb = server.proportional_mb()
    machine["load_average_after"] = os.getloadavg()[0]
    ratios = [2 * own["during"].p99_ms / (own["before"].p99_ms + own["after"].p99_ms) for own in measured]
    num_errors = sum(phase.num_errors for own in measured for phase in own.values())
    bounds = [
        Bound("requests without a 200", float(num_errors), most=0),
        Bound("p99 during / mean of before and after, median", round(median(ratios), 2), most=_MOST_P99_RATIO),
    ]
    typer.echo(machine_line(machine))
    typer.echo(bundle_line(bundle))
    rows = [
        [str(number), name, *map(str, (p.seconds, p.requests_per_s, p.num_errors, p.p50_ms, p.p99_ms)), _told(p)]
        for number, own in enumerate(measured, 1)
        for name, p in own.items()
    ]
    head = ["round", "phase", "seconds", "requests/s", "errors", "p50 ms", "p99 ms", "answered by"]
    typer.echo(table(head, rows))
    typer.echo(f"{before_mb:.0f} MB of memory before, at most {most_mb:.0f} MB meanwhile, {after_mb:.0f} MB at the end")
    typer.echo(bounds_table([bound.plain() for bound in bounds]))
    result = {
        "benchmark": "hot_reload",
        "machine": machine,
        "bundle": bundle,
        "connections": connections,
        "rounds": [{name: asdict(phase) for name, phase in own.items()} for own in measured],
        "p99_ratios": [round(ratio, 3) for ratio in ratios],
        "proportional_mb": {"before": round(before_mb, 1), "most": round(most_mb, 1), "after": round(after_mb, 1)},
        "bounds": [bound.plain() for bound in bounds],
    }
    typer.echo(json.dumps(result))


def _told(phase: Phase) -> str:
    return ", ".join(f"{release.partition('@')[2]} {count}" for release, count in phase.releases.items())


if __name__ == "__main__":
    typer.run(main)
