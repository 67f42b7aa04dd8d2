"""What a batch job costs those who ask a server at the same time, and what they cost the job.

    python benchmarks/interactive_with_job.py [--rounds 3] [--seconds 12] [--rates 20,60]

Each round has a server of its own, with the jobs in a folder that is deleted. Translations with default options and
sentiments of single sentences are offered at an even pace, by turns without a job and with one that translates a file
with default options on the server's own worker; the turn that begins changes. The job is also measured while nobody
else asks, and `rondo batch` translates the beginning of the same file. Figures are medians over the rounds; a ratio is
the median of the rounds' ratios. The last line is the whole result as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import httpx
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.offered_load import Offered, OfferedJob
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
from benchmarks.texts import ENGLISH, GERMAN, KOREAN
from benchmarks.wire import request

_MOST_RATIO = 2.0
_ANSWERED = "200"
_CONNECTIONS = 256
_BEYOND_THE_OFFER_S = 60.0
_LOOK_EVERY_S = 0.1
_LONGEST_WAIT_S = 60.0
_FEWEST_CHANGES = 3
_OPTIONS = {"source": "de", "target": "en"}
_WARM_UP_REQUESTS = 40

_Program = Path(sys.executable).with_name("rondo")
_Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; the options of the command line say what each means."""

    seconds: float
    rates: tuple[float, ...]
    kinds: tuple[str, ...]
    records: int
    batch_records: int


def _sentences() -> Iterator[str]:
    """German ones without end, of the lengths that they have, no two next to each other alike."""
    for number in cycle(range(len(GERMAN) ** 2)):
        yield GERMAN[(number + number // len(GERMAN)) % len(GERMAN)]


def _requests(port: int, kinds: Sequence[str]) -> list[str]:
    """Requests of the kinds, by turns."""
    every: dict[str, list[tuple[str, Mapping[str, Any]]]] = {
        "translation": [("/v1/translate", {"text": text, **_OPTIONS}) for text in GERMAN],
        "sentiment": [("/v1/sentiment", {"text": text}) for text in (*ENGLISH, *KOREAN)],
    }
    longest = max(len(every[kind]) for kind in kinds)
    turns = zip(*(islice(cycle(every[kind]), longest) for kind in kinds), strict=True)
    return [request(port, path, fields).decode() for turn in turns for path, fields in turn]


def _offer(port: int, rate: float, plan: Plan) -> Offered:
    """Raises RuntimeError if not all that was due was answered."""
    requests = _requests(port, plan.kinds)
    job = OfferedJob(port, requests, rate, _CONNECTIONS, plan.seconds, plan.seconds + _BEYOND_THE_OFFER_S)
    program = [sys.executable, str(BENCHMARKS / "offered_load.py")]
    ended = subprocess.run(program, input=json.dumps(asdict(job)), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"the load failed: {ended.stderr}")
    found = Offered(**json.loads(ended.stdout))
    if found.replies != {_ANSWERED: found.num_due}:
        raise RuntimeError(f"of {found.num_due} requests, {found.num_sent} were sent and answered: {found.replies}")
    return found


class RunningJob:
    """A job that a server works on, and when how many of its records were answered."""

    def __init__(self, client: httpx.Client, job_id: str) -> None:
        self._client = client
        self._path = f"/v1/jobs/{job_id}"
        self._seen: list[tuple[float, int]] = []
        self._stopped = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            reply = self._client.get(self._path).raise_for_status().json()
            if not self._seen or self._seen[-1][1] != reply["num_answered"]:
                self._seen.append((time.monotonic(), reply["num_answered"]))
            if reply["ended_at"] is not None:
                return

    def wait_for(self, num_answered: int) -> None:
        """Until so many are answered.

        Raises:
            TimeoutError: it takes too long.
        """
        give_up_at = time.monotonic() + _LONGEST_WAIT_S
        while not self._seen or self._seen[-1][1] < num_answered:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"{num_answered} records are not answered after {_LONGEST_WAIT_S:g} s")
            time.sleep(_LOOK_EVERY_S)

    def records_per_s(self, begin: float, end: float) -> float:
        """From the first time that some were answered in between until the last; chunks are answered as a whole.

        Raises:
            RuntimeError: the job has ended.
        """
        if not self._watching.is_alive():
            raise RuntimeError("the job had ended before its time was over; give it more records")
        seen = [own for own in self._seen if begin <= own[0] <= end]
        if len(seen) < _FEWEST_CHANGES:
            return sum(after - before for (_, before), (at, after) in pairwise(self._seen) if at >= begin) / (
                end - begin
            )
        (began_at, before), (ended_at, after) = seen[0], seen[-1]
        return (after - before) / (ended_at - began_at)

    def cancel(self) -> None:
        """Give it up, and wait until nobody works on it."""
        self._stopped.set()
        self._watching.join()
        give_up_at = time.monotonic() + _LONGEST_WAIT_S
        self._client.post(f"{self._path}/cancel").raise_for_status()
        while self._client.get(self._path).raise_for_status().json()["ended_at"] is None:
            if time.monotonic() > give_up_at:
                raise TimeoutError("the job is not given up")
            time.sleep(_LOOK_EVERY_S)


@contextmanager
def _running_job(client: httpx.Client, file_id: str, chunk: int = 256) -> Iterator[RunningJob]:
    """A translation of a file of which some is already done."""
    spec = {"service": "translation", "input": {"source": file_id, "format": "text"}, "options": _OPTIONS}
    reply = client.post("/v1/jobs", json=spec).raise_for_status().json()
    job = RunningJob(client, reply["id"])
    try:
        job.wait_for(chunk)
        yield job
    finally:
        job.cancel()


@contextmanager
def _server(bundle: Path, state: Path) -> Iterator[ServerProcess]:
    port = free_port()
    command = [str(_Program), "serve", "--bundle", str(bundle), "--host", HOST, "--port", str(port)]
    settings = {"RONDO_THREADS": str(THREADS), "RONDO_STATE_DIR": str(state)}
    with ServerProcess(RONDO, command, port, settings) as server:
        yield server


def _turn(server: ServerProcess, client: httpx.Client, plan: Plan, file_id: str | None) -> dict[str, _Figures]:
    """What was found at each rate, and with a job also while nobody asks."""
    if file_id is None:
        return {f"{rate:g}": _latencies(_offer(server.port, rate, plan)) for rate in plan.rates}
    found: dict[str, _Figures] = {}
    with _running_job(client, file_id) as job:
        began = time.monotonic()
        time.sleep(plan.seconds)
        found["0"] = {"records_per_s": job.records_per_s(began, time.monotonic())}
        for rate in plan.rates:
            began = time.monotonic()
            latencies = _latencies(_offer(server.port, rate, plan))
            found[f"{rate:g}"] = {**latencies, "records_per_s": job.records_per_s(began, time.monotonic())}
    return found


def _latencies(offered: Offered) -> _Figures:
    return {
        "p50_ms": offered.p50_ms[_ANSWERED],
        "p99_ms": offered.p99_ms[_ANSWERED],
        "load_lag_p99_ms": offered.lag_p99_ms,
    }


def _round(bundle: Path, plan: Plan, number: int, folder: Path) -> dict[str, dict[str, _Figures]]:
    """Both turns, of which another begins every round."""
    lines = "".join(f"{text}\n" for text in islice(_sentences(), plan.records))
    found: dict[str, dict[str, _Figures]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(_server(bundle, folder / "state"))
        client = stack.enter_context(httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=_LONGEST_WAIT_S))
        file = {"file": ("sentences.txt", lines.encode())}
        uploaded = client.post("/v1/files", files=file, data={"purpose": "job"}).raise_for_status().json()
        _offer(server.port, _WARM_UP_REQUESTS, Plan(1.0, (), plan.kinds, 0, 0))
        for turn in ("without", "with") if number % 2 == 0 else ("with", "without"):
            found[turn] = _turn(server, client, plan, uploaded["id"] if turn == "with" else None)
    return found


def _batch_records_per_s(bundle: Path, plan: Plan, folder: Path) -> float:
    """Of `rondo batch`; two numbers of records are timed, so that its start does not count.

    Raises:
        RuntimeError: it failed.
    """
    source = folder / "sentences.txt"
    source.write_text("".join(f"{text}\n" for text in islice(_sentences(), plan.batch_records)), encoding="utf-8")
    few = plan.batch_records // 8
    seconds = []
    for limit in (few, plan.batch_records):
        command = [str(_Program), "batch", "translation", str(source), "--format", "text", "--bundle", str(bundle)]
        command += ["--limit", str(limit), "--output", str(folder / f"{limit}.jsonl")]
        command += ["--from", _OPTIONS["source"], "--to", _OPTIONS["target"]]
        began = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - began)
        if ended.returncode:
            raise RuntimeError(f"rondo batch failed: {ended.stderr}")
    return (plan.batch_records - few) / (seconds[1] - seconds[0])


def _middle(figures: Sequence[float]) -> float:
    return round(median(figures), 3)


def _at_rate(rounds: Sequence[Mapping[str, Mapping[str, _Figures]]], rate: str) -> dict[str, float]:
    without, with_job = ([own[turn][rate] for own in rounds] for turn in ("without", "with"))
    summary: dict[str, float] = {}
    for name in ("p50_ms", "p99_ms"):
        summary[f"{name}_without"] = _middle([own[name] for own in without])
        summary[f"{name}_with"] = _middle([own[name] for own in with_job])
        pairs = zip(with_job, without, strict=True)
        summary[f"{name.removesuffix('_ms')}_ratio"] = _middle([a[name] / b[name] for a, b in pairs])
    summary["load_lag_p99_ms"] = _middle([own["load_lag_p99_ms"] for own in (*without, *with_job)])
    summary["job_records_per_s"] = _middle([own["records_per_s"] for own in with_job])
    alone = [own["with"]["0"]["records_per_s"] for own in rounds]
    summary["job_share"] = _middle([a["records_per_s"] / b for a, b in zip(with_job, alone, strict=True)])
    return summary


def measure(bundle: Path, plan: Plan, rounds: int) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    found, batch = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(_round(bundle, plan, number, Path(folder)))
            if plan.batch_records:
                batch.append(_batch_records_per_s(bundle, plan, Path(folder)))
        print(f"round {number + 1} of {rounds}: {found[-1]}, rondo batch {batch[-1:]}", file=sys.stderr)
    machine["load_average_after"] = os.getloadavg()[0]
    rates = {f"{rate:g}": _at_rate(found, f"{rate:g}") for rate in plan.rates}
    alone = [own["with"]["0"]["records_per_s"] for own in found]
    job: dict[str, float] = {"records_per_s": _middle(alone)}
    if batch:
        job["batch_records_per_s"] = _middle(batch)
        job["over_batch"] = _middle([a / b for a, b in zip(alone, batch, strict=True)])
    bounds = [
        Bound(f"p99 at {rate} requests/s with a job over without", own["p99_ratio"], most=_MOST_RATIO)
        for rate, own in rates.items()
    ]
    return {
        "benchmark": "interactive_with_job",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "plan": asdict(plan),
        "rates": rates,
        "job_alone": job,
        "bounds": [bound.plain() for bound in bounds],
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    rates, plan = result["rates"], result["plan"]
    rows = [
        [name.replace("_", " "), *(f"{own[name]:g}" for own in rates.values())] for name in next(iter(rates.values()))
    ]
    job = [[name.replace("_", " "), f"{value:g}"] for name, value in result["job_alone"].items()]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {' and '.join(plan['kinds'])} by turns, {result['rounds']} rounds of "
        f"{plan['seconds']:g} s each",
        "",
        table(["", *(f"{rate} requests/s" for rate in rates)], rows),
        "",
        table(["the job while nobody asks", "median"], job),
        "",
        bounds_table(result["bounds"]),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=2, max=120, help="Measured at each rate in each turn.")] = 12.0,
    rates: Annotated[str, typer.Option(help="Requests a second that are offered, comma-separated.")] = "20,60",
    kinds: Annotated[str, typer.Option(help="What is offered by turns.")] = "translation,sentiment",
    records: Annotated[int, typer.Option(min=1000, help="Of the job, which is given up before its end.")] = 60_000,
    batch_records: Annotated[int, typer.Option(min=0, help="That rondo batch translates; 0: not measured.")] = 8000,
) -> None:
    """Measure requests beside a batch job, and without: tables, then one line of JSON."""
    plan = Plan(seconds, tuple(map(float, rates.split(","))), tuple(kinds.split(",")), records, batch_records)
    result = measure(bundle, plan, rounds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
