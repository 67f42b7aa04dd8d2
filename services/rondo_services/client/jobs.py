"""The client for whole files: what it hands in is answered by the server at batch priority, whether it waits or not."""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import httpx
from pydantic import BaseModel

from ..errors import RondoError
from ..jobs.spec import JobSpec
from ..jobs.types import ENDED
from ..server.jobs.schema import MOST_LISTED, JobList, JobProgress, JobReply
from ..whole_files import written_whole
from .connection import encoded
from .errors import ConnectionFailed, broken
from .operations import parsed
from .sync import Client
from .waiting import JobEvents, Patience

logger = logging.getLogger("rondo")

_JOBS = "/v1/jobs"
_FILES = "/v1/files"
_TOLD_PAUSE_S = 10.0
"""So long nobody waits without being told why."""


class FileId(BaseModel):
    """What is needed of the reply to a file."""

    id: str


class JobsClient(Client):
    """As `Client`, with batch jobs besides."""

    def upload(self, file: BinaryIO, filename: str) -> str:
        """Send a file for a job, as a stream; its id, which is a job's `input.source`.

        Args:
            filename: by its ending the server knows the format.
        """
        with _of_known_length(file) as content:
            attempt = 0
            while True:
                content.seek(0)
                try:
                    reply = self._http.post(_FILES, files={"file": (filename, content)}, data={"purpose": "job"})
                except httpx.RequestError as error:  # it may be there; it is not sent twice
                    raise broken(error) from error
                if reply.is_success:
                    sent: FileId = parsed(FileId, reply.content)
                    return sent.id
                pause_s = self._connection.pause_after_refusal(reply.status_code, reply.headers, attempt)
                if pause_s is None:
                    raise self._refusal(reply)
                time.sleep(pause_s)
                attempt += 1

    def delete_file(self, file_id: str) -> None:
        """Delete a file that was sent."""
        self._content("DELETE", f"{_FILES}/{file_id}")

    def create_job(self, spec: JobSpec) -> JobReply:
        """Hand in a job; not once more if no reply comes, as there may be one then, and be charged."""
        body = encoded(spec.model_dump(mode="json"))
        reply: JobReply = parsed(JobReply, self._content("POST", _JOBS, body, repeatable=False))
        return reply

    def job(self, job_id: str) -> JobReply:
        """How a job stands."""
        reply: JobReply = parsed(JobReply, self._content("GET", f"{_JOBS}/{job_id}"))
        return reply

    def watch(self, job_id: str) -> Iterator[JobProgress]:
        """How a job goes on, as it does; the last is the `JobReply` of how it ended.

        The server tells by itself, so that hours cost no more requests than seconds do. A connection that breaks, a
        server that is away for some minutes, or a key that may ask for no more until later, is waited out.

        Raises:
            UnknownObject: there is no such job any more.
            RondoError: it is not worth asking any longer; the job goes on all the same.
        """
        patience = Patience()
        while True:
            try:
                for progress in self._standings(job_id):
                    patience.heard()
                    yield progress
                    if isinstance(progress, JobReply) and progress.state in ENDED:
                        return
                raise ConnectionFailed("the events of the job broke off")
            except RondoError as error:
                pause_s = patience.pause_s(error)
                if pause_s is None:
                    raise
                if pause_s >= _TOLD_PAUSE_S:
                    logger.warning("%s; asking for the job again in %.0f s", error, pause_s)
            time.sleep(pause_s)

    def _standings(self, job_id: str) -> Iterator[JobProgress]:
        """How a job stands, and, unless it has ended, how it goes on, for as long as the server tells."""
        job = self.job(job_id)  # not only events: something between may hold them back
        yield job
        if job.state in ENDED:
            return
        reply = self._send("GET", f"{_JOBS}/{job_id}/events", None)
        events = JobEvents()
        try:
            for content in reply.iter_bytes():
                yield from events.told(content)
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            reply.close()

    def jobs(self) -> Iterator[JobReply]:
        """All jobs of this caller, newest first."""
        after = ""
        while True:
            page: JobList = parsed(JobList, self._content("GET", f"{_JOBS}?limit={MOST_LISTED}{after}"))
            yield from page.data
            if not page.has_more:
                return
            after = f"&after={page.data[-1].id}"

    def cancel_job(self, job_id: str) -> JobReply:
        """Give a job up."""
        reply: JobReply = parsed(JobReply, self._content("POST", f"{_JOBS}/{job_id}/cancel", b""))
        return reply

    def delete_job(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self._content("DELETE", f"{_JOBS}/{job_id}")

    def result(self, job_id: str, part: str) -> Iterator[bytes]:
        """A part of what a job came to, in blocks."""
        reply = self._send("GET", f"{_JOBS}/{job_id}/result?part={part}", None)
        try:
            yield from reply.iter_bytes()
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            reply.close()

    def fetch(self, job_id: str, part: str, target: Path) -> None:
        """Write a part of what a job came to into a file, whole or not at all."""
        with written_whole(target) as file:
            for block in self.result(job_id, part):
                file.write(block)


@contextmanager
def _of_known_length(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or a copy of what comes through a pipe: httpx would say that it has 0 bytes."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield cast(BinaryIO, copy)
