"""Four services over one engine against four servers of one service each, with a copy of the weights each.

    python benchmarks/mixed_services.py [--rounds 4] [--seconds 10]

Every client asks the four services in turns, so that each gets a quarter of the requests whatever it takes; there are
as many clients on both sides, and the same requests. Both sides have the same cores and settings. Only one side is up
at a time, so that neither takes memory, cores or shared pages from the other; they take turns, the one that begins
changes, and figures are medians over the rounds. The last line is the whole result as JSON.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cells import Cell, answers_of, load_together, share_of_same
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.reporting import (
    Bound,
    bounds_table,
    bundle_line,
    describe_bundle,
    describe_machine,
    machine_line,
    table,
)
from benchmarks.servers import rondo_server
from benchmarks.workloads import SERVICES, workload

TOGETHER, APART = "one engine", "four engines"
_LEAST_SPEED_RATIO = 1.5
_MOST_MEMORY_RATIO = 0.4
_MEMORY = {"proportional_mb": "proportional", "resident_mb": "resident"}


@dataclass(slots=True)
class Side:
    """Servers that offer all services between them, and what was found in each round.

    Attributes:
        groups: the services of each server.
        startup_s: until the last server was ready; they start one after another.
        resident_mb, proportional_mb: of all processes after the load, as `ServerProcess` counts them.
        answers: to the first texts of each service.
    """

    groups: Sequence[Sequence[str]]
    cell: Cell = field(default_factory=Cell)
    startup_s: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    proportional_mb: list[float] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)

    def run(self, bundle: Path, clients: int, seconds: float) -> None:
        """One round: start, load, look at the memory, stop."""
        with ExitStack() as stack:
            targets = []
            for group in self.groups:
                server = stack.enter_context(rondo_server(bundle, group))
                targets += [(server, workload(service)) for service in group]
            servers = list(dict.fromkeys(server for server, _ in targets))
            self.answers = {work.service: answers_of(server, work) for server, work in targets}
            load_together(targets, clients, seconds, self.cell)
            self.startup_s.append(sum(server.startup_s for server in servers))
            self.resident_mb.append(sum(server.resident_mb() for server in servers))
            self.proportional_mb.append(sum(server.proportional_mb() for server in servers))

    def summary(self) -> dict[str, Any]:
        """Medians over the rounds; of the latencies also by service."""
        services = [service for group in self.groups for service in group]
        by_service = zip(*(measured.targets for measured in self.cell.measured), strict=True)
        grown, num_sent = self.cell.metrics, sum(measured.num_sent for measured in self.cell.measured)
        return {
            **self.cell.summary(),
            **{name: round(median(getattr(self, name)), 1) for name in ("startup_s", *_MEMORY)},
            "encode_ms_per_request": round(1000 * grown["rondo_engine_seconds_total", "encode"] / num_sent, 3),
            "decode_ms_per_request": round(1000 * grown["rondo_engine_seconds_total", "decode"] / num_sent, 3),
            "services": {
                service: {
                    "share": round(sum(own.num_measured for own in rounds) / self.num_measured, 3),
                    "p50_ms": round(median(own.p50_ms for own in rounds), 1),
                    "p99_ms": round(median(own.p99_ms for own in rounds), 1),
                }
                for service, rounds in zip(services, by_service, strict=True)
            },
        }

    @property
    def num_measured(self) -> int:
        """Replies in all rounds."""
        return sum(measured.num_measured for measured in self.cell.measured)


def bounds_on(ratios: Mapping[str, float]) -> Iterator[Bound]:
    """What one engine is to be worth, by the medians of the rounds' ratios."""
    yield Bound(f"requests/s of {TOGETHER} over {APART}", ratios["requests_per_s"], least=_LEAST_SPEED_RATIO)
    for name, word in _MEMORY.items():
        yield Bound(f"{word} memory of {TOGETHER} over {APART}", ratios[name], most=_MOST_MEMORY_RATIO)


def measure(bundle: Path, clients: int, rounds: int, seconds: float) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    sides = {TOGETHER: Side([SERVICES]), APART: Side([[service] for service in SERVICES])}
    for number in range(rounds):
        for name in (TOGETHER, APART) if number % 2 == 0 else (APART, TOGETHER):
            sides[name].run(bundle, clients, seconds)
            found = sides[name].cell.measured[-1]
            print(f"round {number + 1} of {rounds}, {name}: {found.requests_per_s:.1f} requests/s", file=sys.stderr)
    machine["load_average_after"] = os.getloadavg()[0]
    together, apart = sides[TOGETHER], sides[APART]
    ratios = {"requests_per_s": together.cell.ratio(apart.cell)} | {
        name: round(median(a / b for a, b in zip(getattr(together, name), getattr(apart, name), strict=True)), 3)
        for name in _MEMORY
    }
    return {
        "benchmark": "mixed_services",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "clients": clients,
        "rounds": rounds,
        "seconds": seconds,
        "same_answers": {
            service: share_of_same([side.answers[service] for side in sides.values()]) for service in SERVICES
        },
        "ratios": ratios,
        "sides": {name: side.summary() for name, side in sides.items()},
        "bounds": [bound.plain() for bound in bounds_on(ratios)],
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    sides = result["sides"]
    figures = ["requests_per_s", "p50_ms", "p99_ms", "cpu_ms_per_request", "encode_ms_per_request"]
    figures += ["decode_ms_per_request", "load_cpu_share", "startup_s", *_MEMORY]
    services = [
        [
            service,
            *(
                f"{side['services'][service][key]:g}"
                for side in sides.values()
                for key in ("share", "p50_ms", "p99_ms")
            ),
        ]
        for service in SERVICES
    ]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['clients']} clients, a quarter of the requests for each service, "
        f"{result['rounds']} rounds of {result['seconds']:g} s a side",
        "same answers from both: " + ", ".join(f"{name} {share:.0%}" for name, share in result["same_answers"].items()),
        "",
        "Medians over the rounds; a ratio is the median of the rounds' ratios. Resident memory counts shared pages in",
        "each process; proportional memory divides them among the processes that share them.",
        "",
        table(
            ["", *sides],
            [[name.replace("_", " "), *(f"{side[name]:g}" for side in sides.values())] for name in figures],
        ),
        "",
        table(
            ["service", *(f"{title}, {name}" for name in sides for title in ("share", "p50 ms", "p99 ms"))], services
        ),
        "",
        bounds_table(result["bounds"]),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 4,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Measured on each side in each round.")] = 10.0,
    clients: Annotated[int, typer.Option(min=4, max=512, help="Each with one request in flight.")] = 64,
) -> None:
    """Compare one engine for all services with one for each: tables, then one line of JSON."""
    result = measure(bundle, clients, rounds, seconds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
