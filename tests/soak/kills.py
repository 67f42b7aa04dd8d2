"""A translation job whose server and workers are killed again and again: nothing may be lost, twice, or different.

    python tests/soak/kills.py [--lines 20000] [--kills 50] [--workers 1] [--data FILE] [--database postgresql://…|own]

A server with its worker, and workers in processes of their own, do one job that was handed in over HTTP. Whenever the
job has got on by some lines, one of them or the engine of one of them is killed (SIGKILL) and started again; the last
kill comes before the last tenth of the job. Then the server is asked for the result, which has to be, byte for byte,
what an undisturbed `rondo batch` makes of the same file: predictions, and what could not be answered. The last line is
the whole result as JSON. Exit status 1: they differ, a line is missing or there twice, the job did not end well, or
there were fewer kills than asked for.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, func, select

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.places import DEFAULT_BUNDLE, SENTENCES
from benchmarks.processes import HOST, free_port
from benchmarks.reporting import THREADS, bundle_line, describe_bundle, describe_machine, machine_line, table
from tests.postgresql import MISSING, private_server, programs
from tests.soak.crowd import Crowd, rondo_program
from tests.soak.job_lines import write_lines

from rondo_services.client.errors import ConnectionFailed, ServerError
from rondo_services.client.jobs import JobsClient
from rondo_services.errors import RondoError
from rondo_services.jobs.settings import JobPlace
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.store.database import Database
from rondo_services.jobs.store.tables import RANKS, jobs, units
from rondo_services.jobs.types import ENDED, Job

_OWN = "own"
_LAST_KILL = 0.9
_LOOK_EVERY_S = 0.05
_LONGEST_START_S = 120.0
_MOST_EXAMPLES = 10
_OPTIONS: Mapping[str, Any] = {"source": "de", "target": "en", "beam_size": 1}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        lines: of the input, bad ones too.
        chunk: records of a chunk of the disturbed job.
        workers: besides the server's own.
        minutes: after which the job is given up.
    """

    lines: int
    kills: int
    chunk: int
    workers: int
    seed: int
    minutes: float


def _patiently(client: JobsClient, question: Any, seconds: float) -> Any:
    """What the server answers, once there is one again."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return question(client)
        except (ConnectionFailed, ServerError, RondoError):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_LOOK_EVERY_S)


def _handed_in(client: JobsClient, path: Path, chunk: int) -> str:
    """The id of the new job."""

    def hand_in(client: JobsClient) -> str:
        with path.open("rb") as file:
            source = JobInput(source=client.upload(file, path.name), id="id")
        spec = JobSpec(service="translation", input=source, options=dict(_OPTIONS), chunk=chunk)
        return client.create_job(spec).id

    identifier: str = _patiently(client, hand_in, _LONGEST_START_S)
    return identifier


def _num_done(job: Job | None) -> int:
    assert job is not None, "nobody deletes the job"
    return job.num_answered + job.num_bad


def _disturbed(store: JobStore, job_id: str, crowd: Crowd, plan: Plan) -> tuple[list[dict[str, Any]], Job]:
    """Kill until there were enough kills or the job has ended; then wait for its end. The kills, and how it ended."""
    rng = random.Random(plan.seed)
    began = time.monotonic()
    kills: list[dict[str, Any]] = []
    following = rng.random()
    while True:
        crowd.look()
        job = store.job(job_id)
        num_done = _num_done(job)
        assert job is not None
        seconds = time.monotonic() - began
        if job.state in ENDED or seconds > 60 * plan.minutes:
            return kills, job
        is_due = len(kills) < plan.kills and num_done >= (len(kills) + following) / plan.kills * _LAST_KILL * plan.lines
        if is_due and (victims := crowd.victims()):
            victim = rng.choice(victims)
            if crowd.kill(victim):
                following = rng.random()
                kills.append({"killed": victim, "after_s": round(seconds, 1), "num_done": num_done})
                print(f"{seconds:6.1f} s, {num_done} of {plan.lines} lines: killed the {victim}", file=sys.stderr)
        time.sleep(_LOOK_EVERY_S)


def _num_begun_again(database_url: str, job_id: str) -> int:
    """How often a chunk was given to somebody after the first time."""

    def count(connection: Connection) -> int:
        query = select(func.sum(units.c.attempts - 1)).join(jobs)
        answers = query.where(jobs.c.id == job_id, units.c.rank == RANKS["answer"])
        return int(connection.execute(answers).scalar() or 0)

    database = Database(database_url)
    try:
        return database.read(count)
    finally:
        database.close()


def _undisturbed(bundle: Path, path: Path, output: Path) -> float:
    """Have `rondo batch` do the same; seconds."""
    command = [rondo_program(), "batch", "translation", str(path), "--output", str(output), "--id", "id"]
    command += ["--bundle", str(bundle), "--threads", str(THREADS)]
    for name, value in _OPTIONS.items():
        command += ["--set", f"{name}={value}"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def _differences(name: str, expected: Path, found: Path) -> list[str]:
    """Where two files of JSON lines are not the same, in words; at most some."""
    if expected.read_bytes() == found.read_bytes():
        return []
    ours, theirs = (path.read_text(encoding="utf-8").splitlines() for path in (expected, found))
    told = [f"{name}: {len(theirs)} lines, undisturbed {len(ours)}"]
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            first, second = json.loads(one), json.loads(other)
            fields = [key for key in first if first[key] != second.get(key)]
            told.append(
                f"{name}, line {first['line']}: "
                + ("; ".join(f"{key} is {second.get(key)!r}, undisturbed {first[key]!r}" for key in fields) or other)
            )
    return told[: 1 + _MOST_EXAMPLES]


def _lines_of(paths: Sequence[Path]) -> Counter[int]:
    """How often each line of the input is in the output."""
    return Counter(
        int(json.loads(line)["line"]) for path in paths for line in path.read_text(encoding="utf-8").splitlines()
    )


@contextmanager
def _database(asked: str, folder: Path) -> Iterator[str]:
    """URL of the jobs' database: what was asked for, a PostgreSQL server that is started for this, or a file."""
    if asked != _OWN:
        yield asked or JobPlace.in_folder(folder / "state" / "jobs").database_url
        return
    found = programs()
    if found is None:
        raise typer.BadParameter(MISSING)
    with private_server(found) as url:
        yield url


def run(bundle: Path, sentences: Sequence[str], plan: Plan, asked_database: str) -> dict[str, Any]:
    """The whole run; the result is plain values."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="rondo-kills-") as name, _database(asked_database, Path(name)) as database:
        folder = Path(name)
        source, predictions, errors = folder / "lines.jsonl", folder / "found.jsonl", folder / "found.errors"
        num_bad = write_lines(source, sentences, plan.lines, plan.seed)
        port = free_port()
        environment = {
            "RONDO_STATE_DIR": str(folder / "state"),
            "RONDO_THREADS": str(THREADS),
            "RONDO_DATABASE_URL": asked_database and database,
            "RONDO_JOBS": "on",
            "RONDO_REQUIRE_KEY": "never",
        }
        serve = [rondo_program(), "serve", "--bundle", str(bundle), "--host", HOST, "--port", str(port)]
        work = [rondo_program(), "worker", "--bundle", str(bundle)]
        commands = {"server": serve, **{f"worker {number + 1}": work for number in range(plan.workers)}}
        began = time.monotonic()
        with Crowd(commands, environment, folder) as crowd, JobsClient(f"http://{HOST}:{port}") as client:
            job_id = _handed_in(client, source, plan.chunk)
            with JobStore(database) as store:
                kills, job = _disturbed(store, job_id, crowd, plan)
            seconds = time.monotonic() - began
            ended_well = job.state == "done"
            if ended_well:
                for part, target in (("predictions", predictions), ("errors", errors)):
                    if part == "predictions" or num_bad:
                        _patiently(client, lambda client, p=part, t=target: client.fetch(job_id, p, t), 120)
            else:
                for path in sorted(folder.glob("*.log")):
                    print(f"{path.name}:\n{path.read_text(encoding='utf-8')[-4000:]}", file=sys.stderr)
        num_begun_again = _num_begun_again(database, job_id)
        reference = folder / "undisturbed.jsonl"
        undisturbed_s = _undisturbed(bundle, source, reference) if ended_well else 0.0
        found = [path for path in (predictions, errors) if path.exists()]
        times = _lines_of(found)
        differences = []
        if ended_well:
            differences = _differences("predictions", reference, predictions)
            if num_bad:
                differences += _differences("errors", reference.with_name(f"{reference.name}.errors"), errors)
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "soak": "a job whose processes are killed",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "database": "PostgreSQL" if asked_database else "SQLite",
        "lines": plan.lines,
        "bad_lines": num_bad,
        "chunk": plan.chunk,
        "workers": plan.workers,
        "seed": plan.seed,
        "kills": kills,
        "kills_asked_for": plan.kills,
        "chunks_begun_again": num_begun_again,
        "deaths_of_themselves": crowd.deaths,
        "state": job.state,
        "error": job.error,
        "seconds": round(seconds, 1),
        "undisturbed_seconds": round(undisturbed_s, 1),
        "missing": sum(line not in times for line in range(1, plan.lines + 1)),
        "twice": sum(count > 1 for count in times.values()),
        "differences": differences,
    }


def went_well(result: Mapping[str, Any]) -> bool:
    """Whether nothing was lost, twice or different, for all the kills."""
    return (
        result["state"] == "done"
        and len(result["kills"]) >= result["kills_asked_for"]
        and not (result["missing"] or result["twice"] or result["differences"])
    )


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    killed = Counter(kill["killed"] for kill in result["kills"])
    lines = [
        machine_line(result["machine"]),
        bundle_line(result["bundle"]),
        f"{result['lines']} lines ({result['bad_lines']} bad), {result['chunk']} a chunk, a server and "
        f"{result['workers']} workers, {result['database']}, seed {result['seed']}",
        "",
        table(["killed", "times"], [[name, str(count)] for name, count in sorted(killed.items())]),
        "",
        f"{len(result['kills'])} kills of {result['kills_asked_for']}; {result['chunks_begun_again']} times a chunk "
        f"was begun again; the job is {result['state']}{': ' + result['error'] if result['error'] else ''} after "
        f"{result['seconds']:.0f} s (undisturbed {result['undisturbed_seconds']:.0f} s)",
        f"{result['missing']} lines missing, {result['twice']} there twice, "
        + ("same bytes as undisturbed" if not result["differences"] else "not the bytes of the undisturbed run:"),
        *result["differences"],
        *result["deaths_of_themselves"][:_MOST_EXAMPLES],
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    lines: Annotated[int, typer.Option(min=1, help="Of the input.")] = 20_000,
    kills: Annotated[int, typer.Option(min=0)] = 50,
    chunk: Annotated[int, typer.Option(min=1, max=10_000, help="Records of a chunk.")] = 32,
    workers: Annotated[int, typer.Option(min=0, max=8, help="Besides the server's own.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the lines and the kills.")] = 1,
    data: Annotated[Path | None, typer.Option(help="File with one German sentence a line, rather than ours.")] = None,
    database: Annotated[
        str, typer.Option(help="postgresql://…; own: a PostgreSQL server that is started for this; empty: SQLite.")
    ] = "",
    minutes: Annotated[float, typer.Option(min=0.5, max=1440, help="The job is given up after so long.")] = 60.0,
) -> None:
    """Kill the processes of a job again and again: tables, then one line of JSON."""
    if data is None:
        pairs = (line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines())
        sentences = [text for language, text in pairs if language == "de"]
    else:
        sentences = [line for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    plan = Plan(lines, kills, chunk, workers, seed, minutes)
    try:
        result = run(bundle.resolve(), sentences, plan, database)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))
    if not went_well(result):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
