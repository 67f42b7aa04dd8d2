"""Whole files by `rondo batch`: how near they come to the engine's own peak, and whether memory stays bounded.

    python benchmarks/batch_jobs.py [--rounds 3] [--parts greedy,beam,memory] [--data FILE] [--lines 100000]

greedy, beam: German lines into English, in turns by `rondo batch`, by its task alone (no job around it), and by the
engine alone, to which all works are handed at once (`bare_tasks.py`); the engine's peak is the better of two orders,
that of the input and longest first. The rate of `rondo batch` is over the time from the first unit that its worker took
to the last chunk that it completed; the start (of Python, of the engine) and the end (outputs are put together) are
told apart. The cost of the job layer are the CPU seconds of worker and command, the end included, beyond those of the
task alone, as a share of the whole run. memory: short lines through sentiment, resident memory of each process once
10,000 records are done. Figures are medians over the rounds; a ratio is the median of the rounds' ratios. The last line
is the whole result as JSON.
"""

import gzip
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bare_tasks import bare_task, engine_peak
from benchmarks.batch_runs import ENGINE, PARENT, WORKER, BatchRun, run_batch
from benchmarks.places import DEFAULT_BUNDLE, SENTENCES
from benchmarks.reporting import (
    Bound,
    bounds_table,
    bundle_line,
    describe_bundle,
    describe_machine,
    machine_line,
    table,
)
from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import Pair
from rondo_services.datasets.files import DataMissing, data_root
from rondo_services.jobs.items import Item
from rondo_services.jobs.spec import JobInput, JobSpec

_DATA = "tatoeba-en-de"
_LEAST_RATIO = 0.9
_MOST_COST = 0.05
_MOST_GROWTH_MB = 50
_WARM_RECORDS = 10_000
_BEAM_SIZES = {"greedy": 1, "beam": 4}
_MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured in turns over the same lines.

    Attributes:
        start_up_s, finish_s: of `rondo batch`, before the first unit was taken and after the last chunk.
        rates: records a second, by what did them.
        cpu_ms: CPU milliseconds a record, of each process apart.
        ratio: of the rate to the peak.
        cost: CPU seconds of the job layer over the seconds of the whole run.
    """

    start_up_s: float
    finish_s: float
    rates: dict[str, float]
    cpu_ms: dict[str, float]
    ratio: float
    cost: float


def measure_round(bundle: Path, lines: Sequence[str], beam_size: int, folder: Path) -> Round:
    """All once."""
    source = folder / "lines.txt"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    options = {"source": "de", "target": "en", "beam_size": beam_size}
    spec = JobSpec(service="translation", input=JobInput(source=str(source)), options=options)
    items = [Item(index, index + 1, line) for index, line in enumerate(lines)]
    batch = run_batch(bundle, spec.service, source, folder / "translated.jsonl", options)
    in_order = engine_peak(bundle, spec, items, longest_first=False)
    alone = bare_task(bundle, spec, items)
    by_length = engine_peak(bundle, spec, items, longest_first=True)
    count = len(lines)
    rate, peak = count / batch.working_s, count / min(in_order.seconds, by_length.seconds)
    own_cpu_s = batch.cpu_s(WORKER) + batch.cpu_s(PARENT)
    return Round(
        batch.start_up_s,
        batch.finish_s,
        {
            "rondo batch": rate,
            "rondo batch, end to end": count / batch.seconds,
            "its task alone": count / alone.seconds,
            "engine alone, in order": count / in_order.seconds,
            "engine alone, longest first": count / by_length.seconds,
        },
        {
            "worker": 1000 * batch.cpu_s(WORKER) / count,
            "command": 1000 * batch.cpu_s(PARENT) / count,
            "engine": 1000 * batch.cpu_s(ENGINE) / count,
            "task alone": 1000 * alone.cpu_s / count,
            "its engine": 1000 * alone.engine_cpu_s / count,
            "engine alone": 1000 * min(in_order.engine_cpu_s, by_length.engine_cpu_s) / count,
        },
        rate / peak,
        max(0.0, own_cpu_s - alone.cpu_s) / batch.seconds,
    )


def _medians(rounds: Sequence[Round]) -> dict[str, Any]:
    """Of each figure."""
    plain = [asdict(one) for one in rounds]
    return {
        name: {key: round(median(own[name][key] for own in plain), 3) for key in value}
        if isinstance(value, Mapping)
        else round(median(own[name] for own in plain), 4)
        for name, value in plain[0].items()
    }


def measure_memory(bundle: Path, lines: Sequence[str], count: int, folder: Path) -> dict[str, Any]:
    """One job over many short lines, and what its processes kept."""
    source = folder / "many.jsonl.gz"
    with gzip.open(source, "wt", encoding="utf-8", compresslevel=1) as file:
        for number, line in enumerate(islice(cycle(lines), count)):
            file.write(json.dumps({"text": f"{number} {line}"}, ensure_ascii=False) + "\n")
    run = run_batch(bundle, "sentiment", source, folder / "many.out.jsonl", {"language": "de"})
    if run.num_records != count:
        raise RuntimeError(f"{run.num_records} records were done, not {count}")
    return {
        "records": count,
        "records_per_s": round(count / run.working_s, 1),
        "finish_s": round(run.finish_s, 1),
        "processes": {name: _kept(run, name) for name in (PARENT, WORKER, ENGINE)},
    }


def _kept(run: BatchRun, process: str) -> dict[str, float]:
    own = [sample for sample in run.samples[process] if sample.num_done >= _WARM_RECORDS]
    return {
        "warm_mb": round(own[0].mb, 1),
        "most_mb": round(max(sample.mb for sample in own), 1),
        "last_mb": round(own[-1].mb, 1),
        "growth_mb": round(run.growth_mb(process, _WARM_RECORDS), 1),
    }


def _bounds(rates: Mapping[str, Mapping[str, Any]], memory: Mapping[str, Any] | None) -> Iterator[Bound]:
    for part, figures in rates.items():
        yield Bound(f"{part}: rate of rondo batch over the engine's peak", figures["ratio"], least=_LEAST_RATIO)
        yield Bound(f"{part}: CPU of the job layer over the time of the run", figures["cost"], most=_MOST_COST)
    for name, kept in (memory or {}).get("processes", {}).items():
        growth = kept["growth_mb"]
        yield Bound(f"growth of the {name} after {_WARM_RECORDS:,} records, MB", growth, most=_MOST_GROWTH_MB)


def measure(
    bundle: Path, lines: Sequence[str], plan: Mapping[str, int], rounds: int, memory_lines: int
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values.

    Args:
        plan: how many lines, by the part that translates them.
        memory_lines: 0: not measured.
    """
    machine = describe_machine()
    found: dict[str, list[Round]] = {part: [] for part in plan}
    memory = None
    with tempfile.TemporaryDirectory(prefix="rondo-batch-") as name:
        for number in range(rounds):
            for part, count in plan.items():
                own = list(islice(cycle(lines), count))
                found[part].append(measure_round(bundle, own, _BEAM_SIZES[part], Path(name)))
                print(f"round {number + 1} of {rounds}, {part}: {found[part][-1]}", file=sys.stderr)
        if memory_lines:
            memory = measure_memory(bundle, sorted(lines, key=len)[: max(1, len(lines) // 2)], memory_lines, Path(name))
    machine["load_average_after"] = os.getloadavg()[0]
    rates = {part: _medians(own) for part, own in found.items()}
    return {
        "benchmark": "batch_jobs",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "lines": dict(plan),
        "rates": rates,
        _MEMORY: memory,
        "bounds": [bound.plain() for bound in _bounds(rates, memory)],
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['rounds']} rounds",
    ]
    for part, own in result["rates"].items():
        rows = [[name, f"{rate:.0f}"] for name, rate in own["rates"].items()]
        cpu = ", ".join(f"{name} {value:.3f}" for name, value in own["cpu_ms"].items())
        lines += [
            "",
            f"{part}, {result['lines'][part]:,} lines; start {own['start_up_s']:.1f} s, end {own['finish_s']:.1f} s; "
            f"CPU ms a record: {cpu}",
            "",
            table([part, "records/s"], rows),
        ]
    if (memory := result[_MEMORY]) is not None:
        rows = [[name, *(f"{value:.1f}" for value in kept.values())] for name, kept in memory["processes"].items()]
        lines += [
            "",
            f"sentiment of {memory['records']:,} lines, {memory['records_per_s']:.0f} a second; end "
            f"{memory['finish_s']:.1f} s",
            "",
            table(["process", "MB when warm", "most", "last", "growth"], rows),
        ]
    return "\n".join([*lines, "", bounds_table(result["bounds"])])


def _lines(data: Path | None) -> list[str]:
    """German lines, in an order of their own: those of a file, of the named data set, or the tests'."""
    if data is not None:
        found = [line for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        try:
            pairs = (example for example in data_set(_DATA).read(data_root(), "train") if isinstance(example, Pair))
            found = [pair.target for pair in pairs]
        except DataMissing:
            tests = (line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines())
            found = [text for language, text in tests if language == "de"]
    random.Random(1).shuffle(found)  # a data set may be sorted by length, which is easy work
    return found


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    parts: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join((*_BEAM_SIZES, _MEMORY)),
    data: Annotated[Path | None, typer.Option(help="File with one German sentence a line.")] = None,
    lines: Annotated[int, typer.Option(min=1, help="Of greedy; repeated if there are fewer.")] = 100_000,
    beam_lines: Annotated[int, typer.Option(min=1, help="Of beam.")] = 10_000,
    memory_lines: Annotated[int, typer.Option(min=20_000, help="Of memory.")] = 1_000_000,
) -> None:
    """Measure whole files: tables, then one line of JSON."""
    chosen = [name.strip() for name in parts.split(",")]
    if unknown := set(chosen) - {*_BEAM_SIZES, _MEMORY}:
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}; choose among greedy, beam, memory")
    counts = {"greedy": lines, "beam": beam_lines}
    plan = {part: counts[part] for part in _BEAM_SIZES if part in chosen}
    found = _lines(data)
    if not found:
        raise typer.BadParameter("there are no lines in the data")
    result = measure(bundle.resolve(), found, plan, rounds, memory_lines if _MEMORY in chosen else 0)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
