"""Where a command's job is run, here or by a server, and what it came to."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ..errors import EngineFailed, InvalidInput
from ..whole_files import written_whole
from .given import given
from .job_options import checked_precision

if TYPE_CHECKING:
    from ..jobs.local import EndedJob, LocalRun
    from ..jobs.spec import JobSpec

_ENGINES = ("processes", "ray")
_OF_THIS_MACHINE = ("precision", "threads", "workers", "engine", "ray_address")


@dataclass(frozen=True, slots=True)
class Where:
    """What a command was told.

    Attributes:
        folder: the job's own, by which it is known again.
        server: that is to do it; empty: this machine.
        bundle, workers, threads, precision, engine, ray_address: of this machine.
    """

    folder: Path
    server: str
    api_key: str
    bundle: Path | None
    workers: int
    threads: int
    precision: str
    engine: str
    ray_address: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A job that is done.

    Attributes:
        files: names of what it left.
        fetch: writes one of them into a file.
    """

    num_answered: int
    num_bad: int
    files: list[str]
    fetch: Callable[[str, Path], None]


def check_where(context: typer.Context) -> None:
    """Check that no option was given of how this machine works, where a server is to do the job.

    Raises:
        InvalidInput: names those that were.
    """
    own = given(context)
    if context.params["server"] and (useless := [own[name] for name in _OF_THIS_MACHINE if name in own]):
        raise InvalidInput(
            f"a server (--server, RONDO_SERVER) works in its own way: {', '.join(useless)} would change nothing; "
            "leave it out"
        )


@contextmanager
def completed(spec: "JobSpec", where: Where, errors: Path | None = None) -> Iterator[Completed]:
    """Run a job to its end, with its progress to be seen; it is forgotten at the end of the `with` statement.

    Args:
        errors: file for what could not be answered of a job of this machine that failed.

    Raises:
        EngineFailed: it failed.
        InvalidInput: it can't be, or its folder has another one.
        RondoError: what a server refuses with.
    """
    if where.server and where.bundle is not None:
        raise InvalidInput("give a server (--server, RONDO_SERVER) or a bundle, not both")
    try:
        with _by_server(spec, where) if where.server else _here(spec, where, errors) as done:
            yield done
    except KeyboardInterrupt:
        typer.echo(f"rondo: stopped{' waiting' if where.server else ''}; the same command goes on", err=True)
        raise


@contextmanager
def _by_server(spec: "JobSpec", where: Where) -> Iterator[Completed]:
    from .remote_job import RemoteRun, remote_job

    with remote_job(spec, RemoteRun(where.folder, where.server, where.api_key)) as (job, client):
        parts = {part if "." in part else f"{part}.jsonl": part for part in job.parts}

        def fetch(name: str, target: Path) -> None:
            client.fetch(job.id, parts[name], target)

        yield Completed(job.num_answered, job.num_bad, list(parts), fetch)


@contextmanager
def _here(spec: "JobSpec", where: Where, errors: Path | None) -> Iterator[Completed]:
    from ..jobs.local import local_job
    from .job_progress import job_progress

    run = _local_run(where)
    stream = None
    if spec.input.source == "-":
        if sys.stdin is None:
            raise InvalidInput("standard input is closed")
        stream = sys.stdin.buffer
    with ExitStack() as stack:
        with job_progress() as show:  # which is over when the job is
            ended = stack.enter_context(local_job(spec, run, stream, show))
        job = ended.job
        if job.state != "done" or job.result is None:
            _raise_failed(ended, errors)
        names = job.result["files"]

        def fetch(name: str, target: Path) -> None:
            ended.files.fetch(names[name], target)

        yield Completed(job.num_answered, job.num_bad, list(names), fetch)
        ended.forget()


def _raise_failed(ended: "EndedJob", errors: Path | None) -> NoReturn:
    job, told = ended.job, ""
    if errors is not None and job.num_bad:
        with written_whole(errors) as file:
            ended.write_errors(file)
        told = f"; {errors} says why"
    raise EngineFailed(f"the job {job.state}: {job.error or 'it was given up'}{told}")


def _local_run(where: Where) -> "LocalRun":
    from ..jobs.local import LocalRun
    from ..jobs.settings import JobPlace, WorkerSettings
    from ..server.settings import default_bundle

    if where.engine not in _ENGINES:
        raise InvalidInput(f"engine must be {' or '.join(_ENGINES)}, not {where.engine!r}")
    settings = WorkerSettings(
        JobPlace.in_folder(where.folder),
        (where.bundle or default_bundle()).resolve(),
        precision=checked_precision(where.precision),
        threads=where.threads,
    )
    return LocalRun(where.folder, settings, where.workers, where.ray_address if where.engine == "ray" else None)
