"""Requests a second of one server, by service and length: what a replica can take, and what a request costs.

    python benchmarks/capacity.py [--rounds 3] [--seconds 6] [--markdown]

Each kind of request is sent first on 64 connections, without a pause: requests a second, and the processor time that
the two processes of the server took for each. Then half as many come by chance (Poisson), whether or not the earlier
ones were answered: latency. Figures are medians over the rounds. Then servers of one, two and three bundles are asked
a few short requests: memory. Load and server share the machine, so a server whose
clients are elsewhere answers more. The last line is the whole result as JSON; with `--markdown` the table before it is
the one of docs/deployment.md.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cells import Cell, description, load_once, process_line
from benchmarks.offered_load import OfferedJob
from benchmarks.overload import ANSWERED, offer
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.processes import ServerProcess
from benchmarks.reporting import bundle_line, describe_bundle, describe_machine, machine_line, table
from benchmarks.servers import rondo_server
from benchmarks.sized_texts import sentences, sized_texts
from benchmarks.texts import PACKAGES
from benchmarks.wire import request
from benchmarks.workloads import SERVICES, Workload, workload
from rondo_tokenizers.vocabulary import Tokenizer

_CONNECTIONS = 64
_SHARE_OFFERED = 0.5
_MOST_IN_FLIGHT = 256
_TEXTS_A_KIND = 240
_NUMBERS_OF_BUNDLES = (1, 2, 3)
_PROMPT_TOKENS = 8
_WARM_UP_S = 1.0
_LEAST_OFFERED = 100
_BEYOND_THE_OFFER_S = 120.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike.

    Attributes:
        tokens: of each text, or that are written after a prompt.
    """

    work: Workload
    name: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one round found of one kind.

    Attributes:
        requests_per_s: on 64 connections.
        busy_p99_ms: of their latency.
        server_cpu_ms, engine_cpu_ms: processor time a request of the process that speaks HTTP, and of the engine's.
        offered_per_s, p50_ms, p99_ms: requests a second of the half load, and their latency.
        load_cpu_share: processor time of the load on 64 connections over the time it ran.
        tokens_read, tokens_written: a request.
    """

    requests_per_s: float
    busy_p99_ms: float
    server_cpu_ms: float
    engine_cpu_ms: float
    offered_per_s: float
    p50_ms: float
    p99_ms: float
    load_cpu_share: float
    tokens_read: float
    tokens_written: float

    @property
    def requests_per_core_s(self) -> float:
        """Requests for which a second of processor time is enough."""
        return 1000 / (self.server_cpu_ms + self.engine_cpu_ms)


def kinds(tokenizer: Tokenizer, services: Sequence[str]) -> list[Kind]:
    """What is measured.

    Raises:
        ValueError: a service is unknown.
    """
    english, german, korean = map(sentences, ("en", "de", "ko"))

    def texts(pool: Sequence[str], num_tokens: int, count: int = _TEXTS_A_KIND) -> tuple[str, ...]:
        return sized_texts(pool, num_tokens, tokenizer, count=count, seed=num_tokens)

    def of(service: str) -> list[Kind]:
        usual = workload(service)
        match service:
            case "sentiment":
                half = _TEXTS_A_KIND // 2
                return [
                    Kind(replace(usual, texts=texts(english, size, half) + texts(korean, size, half)), service, size)
                    for size in (8, 32, 128, 512)
                ]
            case "translation":
                return [
                    Kind(
                        replace(
                            usual,
                            texts=texts(pool, size),
                            options={"source": source, "target": "en", "beam_size": beam_size},
                        ),
                        f"translation {source}→en, {'greedy' if beam_size == 1 else f'beam {beam_size}'}",
                        size,
                    )
                    for source, pool in (("de", german), ("ko", korean))
                    for beam_size in (1, 4)
                    for size in (8, 16, 32)
                ]
            case "summarization":
                usual = replace(usual, options={"beam_size": 4})
                return [
                    Kind(replace(usual, texts=texts(PACKAGES, size)), f"{service}, beam 4", size) for size in (64, 256)
                ]
            case "generation":
                usual = replace(usual, texts=texts(english, _PROMPT_TOKENS))
                # The end symbol is ruled out, as all are to write the same number of tokens.
                never_ends = {"logit_bias": {str(tokenizer.end_id): -100}}
                return [
                    Kind(replace(usual, options={"max_tokens": size, **never_ends}), f"{service}, written", size)
                    for size in (16, 64, 256)
                ]
        raise ValueError(f"unknown service {service!r}; choose among {', '.join(SERVICES)}")

    return [kind for service in services for kind in of(service)]


def _measured(server: ServerProcess, work: Workload, seconds: float, seed: int) -> Capacity:
    """One round.

    Raises:
        RuntimeError: a request had another reply than 200.
    """
    load_once(server, work, _CONNECTIONS, _WARM_UP_S, Cell())
    cell = Cell()
    load_once(server, work, _CONNECTIONS, seconds, cell)
    busy, grown = cell.measured[0], cell.metrics
    offered_per_s = _SHARE_OFFERED * busy.requests_per_s
    requests = [request(server.port, work.path, work.fields(text)).decode() for text in work.texts]
    offer_s = max(seconds, _LEAST_OFFERED / offered_per_s)
    longest_s = offer_s + _BEYOND_THE_OFFER_S
    half = offer(OfferedJob(server.port, requests, offered_per_s, _MOST_IN_FLIGHT, offer_s, longest_s, seed))
    if half.replies.keys() != {ANSWERED} or half.num_lost or half.num_sent < half.num_due:
        raise RuntimeError(f"{work.path}: of {half.num_due} requests {half.num_sent} were sent, replies {half.replies}")
    return Capacity(
        requests_per_s=busy.requests_per_s,
        busy_p99_ms=busy.p99_ms,
        server_cpu_ms=1000 * grown["process_cpu_seconds_total", ""] / busy.num_sent,
        engine_cpu_ms=1000 * grown["rondo_engine_process_cpu_seconds_total", ""] / busy.num_sent,
        offered_per_s=offered_per_s,
        p50_ms=half.p50_ms[ANSWERED],
        p99_ms=half.p99_ms[ANSWERED],
        load_cpu_share=cell.load_cpu_share[0],
        tokens_read=grown["rondo_prompt_tokens_total", ""] / busy.num_sent,
        tokens_written=grown["rondo_generation_tokens_total", ""] / busy.num_sent,
    )


def _row(kind: Kind, rounds: Sequence[Capacity]) -> dict[str, Any]:
    """Medians over the rounds, as plain values."""
    figures = [{**asdict(one), "requests_per_core_s": one.requests_per_core_s} for one in rounds]
    medians = {name: round(median(one[name] for one in figures), 3) for name in figures[0]}
    return {"kind": kind.name, "tokens": kind.tokens, "texts": len(kind.work.texts), **medians}


def _memory(bundle: Path, services: Sequence[str], num_bundles: int) -> dict[str, float]:
    """What a server of so many bundles holds, once each has been asked for everything."""
    names = [f"bundle-{number}" for number in range(2, num_bundles + 1)]
    with rondo_server(bundle, services, names) as server:
        for service in services:
            work = workload(service)
            for name in (describe_bundle(bundle)["name"], *names):
                server.answer(work.path, json.dumps({**work.fields(work.texts[0]), "model": name}))
        resident_mb, proportional_mb = server.resident_mb(), server.proportional_mb()
    return {"bundles": num_bundles, "resident_mb": round(resident_mb), "proportional_mb": round(proportional_mb)}


def measure(bundle: Path, services: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    every = kinds(Tokenizer.load(bundle / "tokenizer.model"), services)
    found: list[list[Capacity]] = [[] for _ in every]
    with rondo_server(bundle, services) as server:
        for number in range(rounds):
            for kind, own in zip(every, found, strict=True):
                own.append(_measured(server, kind.work, seconds, seed=number))
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
        process = description(server)
    memory = [_memory(bundle, services, number) for number in _NUMBERS_OF_BUNDLES]
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "benchmark": "capacity",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "seconds": seconds,
        "connections": _CONNECTIONS,
        "process": process,
        "memory": memory,
        "rows": [_row(kind, own) for kind, own in zip(every, found, strict=True)],
    }


MARKDOWN_TITLES = (
    "requests",
    "tokens",
    "requests/s",
    "p50, p99 ms at half of that",
    "CPU ms: HTTP + engine",
    "requests/s a core",
)
MEMORY_TITLES = ("bundles", "MB resident", "MB, what processes share counted once")


def report(result: dict[str, Any]) -> str:
    """The table for people."""
    titles = ["requests", "tokens", "req/s", "p99 ms", "half: p50 ms", "p99 ms"]
    titles += ["HTTP CPU ms/req", "engine CPU ms/req", "req/s a core", "read", "written", "load CPU"]
    keys = ["requests_per_s", "busy_p99_ms", "p50_ms", "p99_ms", "server_cpu_ms", "engine_cpu_ms"]
    keys += ["requests_per_core_s", "tokens_read", "tokens_written", "load_cpu_share"]
    rows = [[row["kind"], str(row["tokens"]), *(f"{row[key]:.2f}" for key in keys)] for row in result["rows"]]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['rounds']} rounds of {result['seconds']:g} s a cell",
        process_line("rondo", result["process"]),
        "",
        f"On {result['connections']} connections, then half as many requests a second; medians over the rounds.",
        "",
        table(titles, rows),
        "",
        table(MEMORY_TITLES, [[str(value) for value in row.values()] for row in result["memory"]]),
    ]
    return "\n".join(lines)


def _markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles), *rows)]


def markdown(result: Mapping[str, Any]) -> str:
    """The tables for docs/deployment.md."""
    machine = result["machine"]
    load_averages = f"{machine['load_average_before']:.1f} before and {machine['load_average_after']:.1f} after"
    rows = [
        [
            row["kind"],
            str(row["tokens"]),
            f"{row['requests_per_s']:,.0f}",
            f"{row['p50_ms']:,.0f}, {row['p99_ms']:,.0f}",
            f"{row['server_cpu_ms']:.2f} + {row['engine_cpu_ms']:.2f}",
            f"{row['requests_per_core_s']:,.0f}",
        ]
        for row in result["rows"]
    ]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}, {bundle_line(result['bundle'])}, "
        f"{result['rounds']} × {result['seconds']:g} s a cell, load average {load_averages}:",
        "",
        *_markdown_table(MARKDOWN_TITLES, rows),
        "",
        *_markdown_table(MEMORY_TITLES, [[f"{value:,.0f}" for value in row.values()] for row in result["memory"]]),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Of each of the two loads, at least.")] = 6.0,
    services: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(SERVICES),
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as the guide has it.")] = False,
) -> None:
    """Measure what one server takes: a table, then one line of JSON."""
    names = [name.strip() for name in services.split(",")]
    if unknown := [name for name in names if name not in SERVICES]:
        raise typer.BadParameter(f"unknown service {unknown[0]!r}; choose among {', '.join(SERVICES)}")
    result = measure(bundle, names, rounds, seconds)
    print(markdown(result) if as_markdown else report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
