"""The client for whole files: what it hands in is answered by the server at batch priority, whether it waits or not."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import httpx

from ..jobs.spec import JobSpec
from ..server.jobs.schema import MOST_LISTED, JobList, JobReply
from ..whole_files import written_whole
from .connection import encoded
from .errors import broken
from .operations import parsed
from .sync import Client

_JOBS = "/v1/jobs"
_FILES = "/v1/files"


class JobsClient(Client):
    """As `Client`, with batch jobs besides."""

    def upload(self, file: BinaryIO, filename: str) -> str:
        """Send a file for a job, as a stream; its id, which is a job's `input.source`.

        Args:
            filename: by its ending the server knows the format.
        """
        with _of_known_length(file) as content:
            try:
                reply = self._http.post(_FILES, files={"file": (filename, content)}, data={"purpose": "job"})
            except httpx.RequestError as error:
                raise broken(error) from error
        if not reply.is_success:
            raise self._refusal(reply)
        return str(reply.json()["id"])

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
