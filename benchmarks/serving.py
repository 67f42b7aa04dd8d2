"""Requests a second and latency of `rondo serve` against a naive server over the same weights, in the same run.

    python benchmarks/serving.py [--rounds 3] [--seconds 4]

Both servers are up all the time, and one is loaded at a time, in turns; figures are medians over the rounds. The
last line is the whole result as JSON.
"""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cells import Cell, description, load_once, process_line, share_of_same_answers
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.reporting import bundle_line, describe_bundle, describe_machine, machine_line, table
from benchmarks.servers import NAIVE, RONDO, naive_server, rondo_server
from benchmarks.workloads import SERVICES, Workload, workload
from rondo_tokenizers.languages import detect_language
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

_NUM_PASSES = 10

Cells = dict[tuple[str, int, str], Cell]


def _milliseconds_a_text(work: Workload, tokenizer: Tokenizer) -> dict[str, float]:
    """What a text costs before the model sees it, measured in this process: the mean of the fastest pass."""

    def cost(of: Callable[[str], object]) -> float:
        passes = []
        for _ in range(_NUM_PASSES):
            began = time.perf_counter()
            for text in work.texts:
                of(text)
            passes.append(time.perf_counter() - began)
        return round(1000 * min(passes) / len(work.texts), 4)

    tokenization_ms = cost(lambda text: tokenizer.encode(compose(text)))
    return {"tokenize_ms": tokenization_ms, "detect_ms": cost(detect_language) if work.detects_language else 0.0}


def _parts(cell: Cell) -> dict[str, float]:
    """Where a request's time went inside Rondo, from its metrics; means over all rounds."""
    grown = cell.metrics
    requests = grown["rondo_request_queue_time_seconds_count", ""]
    engine_s = grown["rondo_engine_seconds_total", "encode"] + grown["rondo_engine_seconds_total", "decode"]
    in_engine_s = sum(v for (name, _), v in grown.items() if name == "rondo_e2e_request_latency_seconds_sum")
    groups = grown["rondo_encode_batch_requests_count", ""]
    parts = {
        "queue_ms": 1000 * grown["rondo_request_queue_time_seconds_sum", ""] / requests,
        "encode_ms": 1000 * grown["rondo_engine_seconds_total", "encode"] / requests,
        "decode_ms": 1000 * grown["rondo_engine_seconds_total", "decode"] / requests,
        "in_engine_ms": 1000 * in_engine_s / requests,
        "requests_per_encode": grown["rondo_encode_batch_requests_sum", ""] / groups,
        "engine_busy": engine_s / sum(m.total_s for m in cell.measured),
    }
    return {name: round(value, 3) for name, value in parts.items()}


def measure(
    bundle: Path, workloads: Sequence[Workload], concurrencies: Sequence[int], rounds: int, seconds: float
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    cells: Cells = defaultdict(Cell)
    with rondo_server(bundle, [work.service for work in workloads]) as rondo, naive_server(bundle) as naive:
        same = {work.service: share_of_same_answers((rondo, naive), work) for work in workloads}
        for number in range(rounds):
            order = (rondo, naive) if number % 2 == 0 else (naive, rondo)
            for work in workloads:
                for concurrency in concurrencies:
                    for server in order:
                        load_once(server, work, concurrency, seconds, cells[work.service, concurrency, server.name])
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
        processes = {server.name: description(server) for server in (rondo, naive)}
    machine["load_average_after"] = os.getloadavg()[0]
    tokenizer = Tokenizer.load(bundle / "tokenizer.model")
    rows = []
    for work in workloads:
        before_model = _milliseconds_a_text(work, tokenizer)
        for concurrency in concurrencies:
            ours, theirs = cells[work.service, concurrency, RONDO], cells[work.service, concurrency, NAIVE]
            row: dict[str, Any] = {"service": work.service, "concurrency": concurrency, "ratio": ours.ratio(theirs)}
            row |= {RONDO: ours.summary(), NAIVE: theirs.summary(), "rondo_parts": {**before_model, **_parts(ours)}}
            rows.append(row)
    return {
        "benchmark": "serving",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "seconds": seconds,
        "processes": processes,
        "same_answers": same,
        "rows": rows,
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    rows = result["rows"]
    titles = ["service", "connections", "rondo req/s", "naive req/s", "ratio"]
    titles += ["rondo p50 ms", "p99 ms", "naive p50 ms", "p99 ms", "rondo CPU ms/req", "naive CPU ms/req"]
    speeds = [
        [
            row["service"],
            str(row["concurrency"]),
            *(f"{row[name]['requests_per_s']:.1f}" for name in (RONDO, NAIVE)),
            f"{row['ratio']:.2f}",
            *(f"{row[name][key]:.1f}" for name in (RONDO, NAIVE) for key in ("p50_ms", "p99_ms")),
            *(f"{row[name]['cpu_ms_per_request']:.2f}" for name in (RONDO, NAIVE)),
        ]
        for row in rows
    ]
    keys = ["tokenize_ms", "detect_ms", "queue_ms", "encode_ms", "decode_ms", "in_engine_ms"]
    keys += ["requests_per_encode", "engine_busy"]
    parts = [
        [
            row["service"],
            str(row["concurrency"]),
            *(f"{row['rondo_parts'][key]:.3f}" for key in keys),
            f"{row[RONDO]['mean_ms'] - row['rondo_parts']['in_engine_ms']:.2f}",
        ]
        for row in rows
    ]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['rounds']} rounds of {result['seconds']:g} s a cell",
        *(process_line(name, process) for name, process in result["processes"].items()),
        "same answers from both: " + ", ".join(f"{name} {share:.0%}" for name, share in result["same_answers"].items()),
        "",
        "Medians over the rounds; the ratio is the median of the rounds' ratios.",
        "",
        table(titles, speeds),
        "",
        "Where a request's time goes in rondo: means, from its /metrics; tokenization and language detection are",
        "measured apart, and outside is the client's mean latency less the time in the engine.",
        "",
        table(["service", "connections", *(key.replace("_ms", " ms") for key in keys), "outside ms"], parts),
    ]
    return "\n".join(lines)


def _data_files(data: Sequence[str]) -> dict[str, Path]:
    files = {}
    for entry in data:
        service, equals, path = entry.partition("=")
        if not equals or service not in SERVICES:
            raise ValueError(f"--data takes SERVICE=FILE with one of {', '.join(SERVICES)}, not {entry!r}")
        files[service] = Path(path)
    return files


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Measured in each cell.")] = 4.0,
    services: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(SERVICES),
    concurrency: Annotated[str, typer.Option(help="Numbers of connections, comma-separated.")] = "1,16,64",
    data: Annotated[list[str] | None, typer.Option(help="SERVICE=FILE with one text a line; may be repeated.")] = None,
) -> None:
    """Compare `rondo serve` with a naive server: a table, then one line of JSON."""
    try:
        files = _data_files(data or [])
        workloads = [workload(name.strip(), files.get(name.strip())) for name in services.split(",")]
        concurrencies = [int(number) for number in concurrency.split(",")]
        if not all(1 <= number <= 512 for number in concurrencies):
            raise ValueError("--concurrency takes numbers from 1 to 512")
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    result = measure(bundle, workloads, concurrencies, rounds, seconds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
