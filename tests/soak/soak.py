"""Mixed load with faults for some minutes: every request has to end as documented, and memory must not grow.

    python tests/soak/soak.py [--minutes 10]

Clients ask all services without a pause: with good and bad input, short and long, at once and streamed, with deadlines,
and some leave before the answer. In the first half the engine's process is killed now and then; so the last engine runs
long enough to see how its memory grows. A process that leaks at a known rate is measured by the same code, to show that
a leak would be found. The last line is the whole result as JSON. Exit status 1: a request was lost or ended in a way
that is not documented, or the rate of the leak was not found.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.processes import HOST, ServerProcess
from benchmarks.reporting import bundle_line, describe_bundle, describe_machine, machine_line, table
from benchmarks.servers import rondo_server
from tests.soak.faults import engine_pid, kill_engine_at, times_of_kills
from tests.soak.memory import Growth, MemoryLog, growth
from tests.soak.traffic import Traffic

_SERVICES = ("sentiment", "generation", "summarization", "translation")
_LEAK_MB_PER_MINUTE = 6.0
_LEAK_TOLERANCE = 0.2
_WARM_UP_SHARE = 0.2
_SAMPLE_EVERY_S = 0.25
_MOST_EXAMPLES = 20


async def _sample(memory: MemoryLog, server: ServerProcess, leak_pid: int) -> None:
    """Take samples until cancelled."""
    while True:
        memory.take(leak_pid)
        memory.take(server.pid)
        if (pid := engine_pid(server.pid)) is not None:
            memory.take(pid)
        await asyncio.sleep(_SAMPLE_EVERY_S)


async def _run(
    server: ServerProcess, leak_pid: int, traffic: Traffic, memory: MemoryLog, seconds: float, seed: int
) -> int:
    """Everything together; how often the engine was killed."""
    sampling = asyncio.create_task(_sample(memory, server, leak_pid))
    killing = asyncio.create_task(kill_engine_at(server.pid, times_of_kills(seconds / 2, seed)))
    try:
        await traffic.run(seconds)
        return await killing
    finally:
        killing.cancel()
        sampling.cancel()


def soak(bundle: Path, minutes: float, clients: int, seed: int) -> dict[str, Any]:
    """The whole run; the result is plain values."""
    machine = describe_machine()
    seconds = 60 * minutes
    memory = MemoryLog()
    leaking = [sys.executable, str(Path(__file__).with_name("leak.py")), str(_LEAK_MB_PER_MINUTE)]
    with (
        rondo_server(bundle, _SERVICES) as server,
        subprocess.Popen(leaking, stdin=subprocess.PIPE) as leak,
    ):
        traffic = Traffic(f"http://{HOST}:{server.port}", clients, seed)
        num_killed = asyncio.run(_run(server, leak.pid, traffic, memory, seconds, seed))
        num_restarts = int(server.metrics()["rondo_engine_restarts_total", ""])
    machine["load_average_after"] = os.getloadavg()[0]
    *_, last_engine = (pid for pid in memory.samples if pid not in (server.pid, leak.pid))
    pids = {"server": server.pid, "last engine": last_engine, "control": leak.pid}
    grown = {name: growth(memory.samples[pid], _WARM_UP_SHARE * seconds) for name, pid in pids.items()}
    ended: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, end), count in sorted(traffic.ended.items()):
        ended[kind][end] = count
    return {
        "soak": "mixed load with faults",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "minutes": minutes,
        "clients": clients,
        "seed": seed,
        "ended": ended,
        "lost": traffic.lost,
        "undocumented": traffic.undocumented,
        "engine_kills": num_killed,
        "engine_restarts": num_restarts,
        "memory": {name: asdict(own) if own is not None else None for name, own in grown.items()},
        "control_mb_per_minute": _LEAK_MB_PER_MINUTE,
        "control_found": _is_found(grown["control"]),
    }


def _is_found(control: Growth | None) -> bool:
    """Whether the slope of the control is the rate at which it leaks."""
    return (
        control is not None
        and abs(control.mb_per_minute - _LEAK_MB_PER_MINUTE) <= _LEAK_TOLERANCE * _LEAK_MB_PER_MINUTE
    )


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    ends = [[f"{kind}: {end}", str(count)] for kind, own in result["ended"].items() for end, count in own.items()]
    memory = [
        [name, *(f"{own[key]:.2f}" for key in ("first_mb", "last_mb", "minutes", "mb_per_minute"))]
        if own is not None
        else [name, *("–" for _ in range(4))]
        for name, own in result["memory"].items()
    ]
    lines = [
        machine_line(result["machine"]),
        bundle_line(result["bundle"]),
        f"{result['minutes']:g} minutes, {result['clients']} clients, seed {result['seed']}",
        f"engine killed {result['engine_kills']} times, started anew {result['engine_restarts']} times",
        "",
        table(["how requests ended", "requests"], ends),
        "",
        f"{len(result['lost'])} lost, {len(result['undocumented'])} ended in a way that is not documented",
        *(result["lost"] + result["undocumented"])[:_MOST_EXAMPLES],
        "",
        "Resident memory after a warm-up of a fifth of the run. The control leaks "
        f"{_LEAK_MB_PER_MINUTE:g} MB a minute, which was {'found' if result['control_found'] else 'not found'}.",
        "",
        table(["process", "first MB", "last MB", "minutes", "MB a minute"], memory),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    minutes: Annotated[float, typer.Option(min=0.1, max=1440)] = 10.0,
    clients: Annotated[int, typer.Option(min=1, max=256)] = 16,
    seed: Annotated[int, typer.Option(help="Of the requests and the kills.")] = 1,
) -> None:
    """Load the server and hurt it for some minutes: tables, then one line of JSON."""
    result = soak(bundle, minutes, clients, seed)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))
    if result["lost"] or result["undocumented"] or not result["control_found"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
