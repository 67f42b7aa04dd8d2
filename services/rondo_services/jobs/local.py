"""A job of this machine in a folder of its own: asked for again, it goes on where it was."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from rondo_models.manifest import read_contents

from ..errors import InvalidInput
from ..languages import only_known
from ..suite import tokenizer_of
from ..whole_files import written_whole
from .chunks import append_lines
from .files import StateFiles
from .foreground import run_in_foreground
from .inputs import identity_of, open_input
from .inputs.endings import format_of, name_of
from .inputs.sources import STANDARD
from .means import KEPT, records_of
from .options import checked_options
from .settings import WorkerSettings
from .spec import JobSpec
from .store import JobStore
from .types import Job

_JOB_FILE = "job.json"
_STANDARD_INPUT = "standard-input"
_AUTO = "auto"
"""The precision that is fast on a processor; on another one it may be another."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalRun:
    """How a job of this machine is run.

    Attributes:
        folder: the job's own, which is made.
        settings: of the workers.
        num_workers: processes, or actors of Ray, each with an engine.
        ray: address of a Ray cluster, or "local" for one that is started for the job; None: do without.
    """

    folder: Path
    settings: WorkerSettings
    num_workers: int = 1
    ray: str | None = None


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job of this machine as it ended, while nobody else can run it.

    Attributes:
        files: that it left, by the names in its result.
    """

    job: Job
    files: StateFiles
    _store: JobStore
    _folder: Path

    def write_errors(self, target: BinaryIO) -> None:
        """The lines of what could not be answered, also of a job that failed."""
        for chunk in self._store.done_chunks(self.job.id):
            append_lines(chunk.errors, self.files, target)

    def forget(self) -> None:
        """Delete the folder; cut off on the way, it is that of a job which has not begun."""
        (self._folder / _JOB_FILE).unlink()
        shutil.rmtree(self._folder)


@contextmanager
def local_job(spec: JobSpec, run: LocalRun, stream: BinaryIO | None, show: Callable[[Job], None]) -> Iterator[EndedJob]:
    """Run a job, or go on with it, and hand out how it ended.

    The folder stays, unless it is forgotten; nobody else can run the job within the `with` statement.

    Args:
        stream: standard input, if that is the input.

    Raises:
        BundleError: there is no bundle.
        InvalidInput: the spec can't be, the folder has another job, or another process runs it.
        WorkersKeepDying: as `run_in_foreground`.
    """
    contents = read_contents(run.settings.bundle)
    with only_known(tokenizer_of(contents, str(run.settings.bundle)).target_ids):
        checked_options(spec.service, spec.options)
    _check_input(spec)
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout as error:
        raise InvalidInput(f"{run.folder}: another process runs this job") from error
    with held:
        store, files = JobStore(run.settings.place.database_url), StateFiles(run.settings.place.files_url)
        try:
            job = _job_of(spec, contents.fingerprint, run, store, files, stream)
            if not job.has_ended:
                job = _run(run, store, files, job, show)
            yield EndedJob(job, files, store, run.folder)
        finally:
            store.close()


def _check_input(spec: JobSpec) -> None:
    """Before an engine is started for it."""
    if spec.service == "requests":
        raise InvalidInput("requests are answered by a server, as batches of OpenAI's", field="service")
    if spec.input.source == STANDARD:
        format_of(spec.input)
    else:
        next(records_of(spec.input), None)


def _run(run: LocalRun, store: JobStore, files: StateFiles, job: Job, show: Callable[[Job], None]) -> Job:
    if run.ray is None:
        return run_in_foreground(store, job, run.settings, run.num_workers, show)
    from .on_ray import run_on_ray

    return run_on_ray(store, files, job, run.settings, run.num_workers, show, run.ray)


def _job_of(
    spec: JobSpec, bundle: str, run: LocalRun, store: JobStore, files: StateFiles, stream: BinaryIO | None
) -> Job:
    """The folder's job, of which nobody has a part; it is made if there is none, or if it ended badly."""
    path = run.folder / _JOB_FILE
    asked = {"spec": spec.model_dump(), "bundle": bundle, "precision": run.settings.precision or _AUTO}
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        known.setdefault("precision", asked["precision"])  # a job of a version that did not keep it goes on
        if "server" in known:
            raise InvalidInput(f"{run.folder} has another job, of {known['server']}; delete it to begin anew")
        job_id = known.pop("id")
        store.release_job(job_id)  # whoever had a part of it is dead, as he has not the lock
        job = store.job(job_id)
        if job is not None and (not job.has_ended or job.state == "done"):
            if known != asked:
                raise InvalidInput(
                    f"{run.folder} has a job that is not the same: {_difference(known, asked)}; delete it to begin anew"
                )
            _check_unchanged(spec, run, job, stream)
            return job
        if job is not None:
            files.delete_all(f"jobs/{job.id}")
            store.delete_job(job.id)
    known_by = {"identity": identity_of(spec.input)} if stream is None else {KEPT: _kept(stream, spec, run.folder)}
    job = store.add_job("job", "", spec.model_dump(), bundle, metadata=known_by)
    with written_whole(path) as file:
        file.write(json.dumps({"id": job.id, **asked}).encode())
    return job


def _check_unchanged(spec: JobSpec, run: LocalRun, job: Job, stream: BinaryIO | None) -> None:
    """The answers that are there already have to be those of what is given now."""
    if stream is None:
        same = job.metadata["identity"] == identity_of(spec.input)
    else:
        with (run.folder / _STANDARD_INPUT).open("rb") as kept:
            same = _digest(stream) == _digest(kept)
    if not same:
        raise InvalidInput(
            f"{name_of(spec.input)} has changed since the job began; delete {run.folder} to begin anew", field="input"
        )


def _kept(stream: BinaryIO, spec: JobSpec, folder: Path) -> str:
    """What comes by a stream, as a file that can be read again.

    Raises:
        InvalidInput: as `_check_input`.
    """
    path = (folder / _STANDARD_INPUT).resolve()
    with path.open("w+b") as file:
        shutil.copyfileobj(stream, file, _BLOCK)
        file.seek(0)
        next(open_input(spec.input, stream=file), None)
    return str(path)


def _digest(stream: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def _difference(known: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """In a few words."""
    if known["bundle"] != asked["bundle"]:
        return "it is of another bundle"
    wrong = [name for name, value in asked["spec"].items() if known["spec"].get(name) != value]
    if known["precision"] != asked["precision"]:
        wrong.append("precision")
    return f"it differs in {', '.join(wrong)}"
