"""A job of a server that a command waits for: asked for again, it is the same job."""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ..client.jobs import JobsClient
from ..errors import EngineFailed, InvalidInput, LimitReached, RondoError, UnknownObject
from ..jobs.inputs import identity_of
from ..jobs.inputs.endings import name_of
from ..jobs.inputs.named import PREFIX
from ..jobs.inputs.sources import STANDARD, opened
from ..jobs.spec import JobSpec
from ..jobs.types import ENDED
from ..server.jobs.schema import JobProgress, JobReply
from ..whole_files import written_whole
from .job_progress import job_progress

_JOB_FILE = "job.json"
_LEFT_TO_THE_SERVER = (UnknownObject, LimitReached)
"""Of deleting there what has been fetched: it is gone, or will be when the server forgets ended jobs by itself."""


@dataclass(frozen=True, slots=True)
class RemoteRun:
    """Where a job is run, and the folder that remembers it.

    Attributes:
        server, api_key: as `Client` has them.
    """

    folder: Path
    server: str
    api_key: str


@contextmanager
def remote_job(spec: JobSpec, run: RemoteRun) -> Iterator[tuple[JobReply, JobsClient]]:
    """Hand in a job with its file, or wait on for it, and hand out how it ended, and whom to ask for its result.

    It is forgotten, here and there, at the end of the `with` statement.

    Raises:
        InvalidInput: the file can't be read, or the folder remembers another job.
        EngineFailed: the job failed.
        RondoError: what the server refuses with, and ConnectionFailed; the job goes on there.
    """
    with JobsClient(run.server, api_key=run.api_key) as client, job_progress() as show:
        with _opened(spec) as (file, identity):
            job = _known(spec, run, identity, client) or _handed_in(spec, run, file, identity, client)
        job = _ended(job, client, show)
        if job.state == "done":
            yield job, client
        shutil.rmtree(run.folder)
        sent = job.spec.input.source
        with suppress(*_LEFT_TO_THE_SERVER):
            client.delete_job(job.id)
        if not sent.startswith(PREFIX):
            with suppress(*_LEFT_TO_THE_SERVER):
                client.delete_file(sent)
        if job.state != "done":
            why = (job.error or "it was given up").replace(sent, spec.input.source)
            raise EngineFailed(f"the job {job.state}: {why}")


def _ended(job: JobReply, client: JobsClient, show: Callable[[JobProgress], None]) -> JobReply:
    """The job once it has ended; until then it is shown."""
    show(job)
    if job.state in ENDED:
        return job
    for standing in client.watch(job.id):
        show(standing)
        if isinstance(standing, JobReply):
            job = standing
    return job


def _known(spec: JobSpec, run: RemoteRun, identity: str, client: JobsClient) -> JobReply | None:
    """The job that the folder remembers, or that was made of the file that it remembers, if the server does too.

    Raises:
        InvalidInput: it is another one, or of another input.
    """
    try:
        known = json.loads((run.folder / _JOB_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if "server" not in known:
        raise InvalidInput(f"{run.folder} has a job of this machine; delete it to begin anew")
    if known["spec"] != spec.model_dump() or known["server"] != run.server:
        raise InvalidInput(f"{run.folder} has another job, of {known['server']}; delete it to begin anew")
    if known["identity"] != identity:
        raise InvalidInput(
            f"{name_of(spec.input)} has changed since the job began; delete {run.folder} to begin anew", field="input"
        )
    if known["id"] is None:
        return next((job for job in client.jobs() if job.spec.input.source == known["file"]), None)
    try:
        return client.job(known["id"])
    except UnknownObject:
        return None


def _remember(spec: JobSpec, run: RemoteRun, identity: str, file: str | None, job: str | None) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    known = {"id": job, "file": file, "server": run.server, "spec": spec.model_dump(), "identity": identity}
    with written_whole(run.folder / _JOB_FILE) as whole:
        whole.write(json.dumps(known).encode())


@contextmanager
def _opened(spec: JobSpec) -> Iterator[tuple[BinaryIO | None, str]]:
    """The input, unless the server has it, and what changes with its content.

    Raises:
        InvalidInput: it can't be read.
    """
    source = spec.input.source
    if source.startswith(PREFIX):
        yield None, ""
    elif source == STANDARD:
        if sys.stdin is None:
            raise InvalidInput("standard input is closed")
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            identity = hashlib.file_digest(copy, "sha256").hexdigest()
            copy.seek(0)
            yield cast(BinaryIO, copy), identity
    else:
        with opened(source, None) as file:
            yield file, identity_of(spec.input)


def _handed_in(spec: JobSpec, run: RemoteRun, file: BinaryIO | None, identity: str, client: JobsClient) -> JobReply:
    """A new job, with its file; the file is remembered first, so that whoever is killed here finds the job by it."""
    if file is None:
        job = client.create_job(spec)
        sent = None
    else:
        sent = client.upload(file, Path(spec.input.source).name)
        _remember(spec, run, identity, sent, None)
        job = _made(spec, run, sent, client)
    _remember(spec, run, identity, sent, job.id)
    return job


def _made(spec: JobSpec, run: RemoteRun, sent: str, client: JobsClient) -> JobReply:
    """The job; if it is refused, the file does not stay there, and the reason names it as it is here."""
    try:
        return client.create_job(spec.model_copy(update={"input": spec.input.model_copy(update={"source": sent})}))
    except RondoError as error:
        shutil.rmtree(run.folder)
        with suppress(RondoError):
            client.delete_file(sent)
        error.message = error.message.replace(sent, spec.input.source)
        error.args = (error.message,)
        raise
