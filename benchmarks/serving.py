"""Requests a second and latency of `rondo serve` against a naive server over the same weights, in the same run.

    python benchmarks/serving.py [--rounds 3] [--seconds 4]

Both servers are up all the time, and one is loaded at a time, in turns; figures are medians over the rounds. The
last line is the whole result as JSON.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import Job, Measured
from benchmarks.processes import HOST, Metrics, ServerProcess, free_port
from benchmarks.workloads import SERVICES, Workload, workload
from rondo_tokenizers.languages import detect_language
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

RONDO, NAIVE = "rondo", "naive"
_ROOT = Path(__file__).resolve().parents[1]
_THREADS = 1
_NUM_COMPARED = 10
_NUM_PASSES = 10
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


Cells = dict[tuple[str, int, str], Cell]


def _load(server: ServerProcess, work: Workload, concurrency: int, seconds: float, cell: Cell) -> None:
    """Load one server once and put what was found into `cell`."""
    job = Job(HOST, server.port, work.path, work.bodies(), concurrency, seconds, seconds + _BEYOND_THE_WINDOW_S)
    metrics_before = server.metrics() if server.name == RONDO else {}
    cpu_before = server.cpu_s()
    ended = subprocess.run(
        [sys.executable, str(_ROOT / "benchmarks" / "load.py")],
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


def _share_of_same_answers(servers: Sequence[ServerProcess], work: Workload) -> float:
    """Share of the first texts that both servers answer alike; also the first, unmeasured requests of each."""
    bodies = work.bodies()[:_NUM_COMPARED]
    answers = [[server.answer(work.path, body)[work.answer_field] for body in bodies] for server in servers]
    same = [a == b for a, b in zip(*answers, strict=True)]
    return same.count(True) / len(same)


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


def _machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": version("torch"),
        "threads": _THREADS,
        "nice": os.nice(0),
        "settings": {name: value for name, value in sorted(os.environ.items()) if name.startswith("RONDO_")},
        "load_average_before": os.getloadavg()[0],
    }


def _servers(bundle: Path, services: Sequence[str]) -> tuple[ServerProcess, ServerProcess]:
    rondo_port, naive_port = free_port(), free_port()
    rondo = [str(Path(sys.executable).with_name("rondo")), "serve", "--bundle", str(bundle)]
    rondo += ["--host", HOST, "--port", str(rondo_port), "--services", ",".join(services)]
    naive = [sys.executable, str(_ROOT / "benchmarks" / "naive_server.py"), "--bundle", str(bundle)]
    naive += ["--port", str(naive_port)]
    return (
        ServerProcess(RONDO, rondo, rondo_port, {"RONDO_THREADS": str(_THREADS)}),
        ServerProcess(NAIVE, naive, naive_port, {}),
    )


def measure(
    bundle: Path, workloads: Sequence[Workload], concurrencies: Sequence[int], rounds: int, seconds: float
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = _machine()
    cells: Cells = defaultdict(Cell)
    rondo, naive = _servers(bundle, [work.service for work in workloads])
    with rondo, naive:
        same = {work.service: _share_of_same_answers((rondo, naive), work) for work in workloads}
        for number in range(rounds):
            order = (rondo, naive) if number % 2 == 0 else (naive, rondo)
            for work in workloads:
                for concurrency in concurrencies:
                    for server in order:
                        _load(server, work, concurrency, seconds, cells[work.service, concurrency, server.name])
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
        processes = {
            server.name: {"startup_s": round(server.startup_s, 2), "resident_mb": round(server.resident_mb(), 1)}
            for server in (rondo, naive)
        }
    machine["load_average_after"] = os.getloadavg()[0]
    tokenizer = Tokenizer.load(bundle / "tokenizer.model")
    rows = []
    for work in workloads:
        before_model = _milliseconds_a_text(work, tokenizer)
        for concurrency in concurrencies:
            ours, theirs = cells[work.service, concurrency, RONDO], cells[work.service, concurrency, NAIVE]
            pairs = zip(ours.measured, theirs.measured, strict=True)
            ratio = median(a.requests_per_s / b.requests_per_s for a, b in pairs)
            row: dict[str, Any] = {"service": work.service, "concurrency": concurrency, "ratio": round(ratio, 3)}
            row |= {RONDO: ours.summary(), NAIVE: theirs.summary(), "rondo_parts": {**before_model, **_parts(ours)}}
            rows.append(row)
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return {
        "benchmark": "serving",
        "machine": machine,
        "bundle": {name: manifest[name] for name in ("name", "version", "fingerprint")},
        "rounds": rounds,
        "seconds": seconds,
        "processes": processes,
        "same_answers": same,
        "rows": rows,
    }


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]

    def aligned(line: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        )

    return "\n".join(map(aligned, lines))


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    machine, rows = result["machine"], result["rows"]
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
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, torch {machine['torch']}, "
        f"{machine['threads']} thread a model, load average {machine['load_average_before']:.1f} before and "
        f"{machine['load_average_after']:.1f} after",
        f"bundle {result['bundle']['name']} {result['bundle']['version']} {result['bundle']['fingerprint'][:12]}, "
        f"{result['rounds']} rounds of {result['seconds']:g} s a cell",
        *(
            f"{name}: ready after {process['startup_s']:.2f} s, {process['resident_mb']:.0f} MB resident after the load"
            for name, process in result["processes"].items()
        ),
        "same answers from both: " + ", ".join(f"{name} {share:.0%}" for name, share in result["same_answers"].items()),
        "",
        "Medians over the rounds; the ratio is the median of the rounds' ratios.",
        "",
        _table(titles, speeds),
        "",
        "Where a request's time goes in rondo: means, from its /metrics; tokenization and language detection are",
        "measured apart, and outside is the client's mean latency less the time in the engine.",
        "",
        _table(["service", "connections", *(key.replace("_ms", " ms") for key in keys), "outside ms"], parts),
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
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = _ROOT / "bundles" / "rondo-base",
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
