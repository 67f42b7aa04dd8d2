"""`JobStore`: each operation is a transaction, at a time of the store's clock."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ..types import Chunk, DoneChunk, Job, JobTally, Lease, StoredFile
from . import files, jobs, leasing, once
from .database import Database


class JobStore:
    """Jobs, units of their work, and names of files, shared by all processes that open the same URL. Thread-safe.

    Processes on several machines compare each other's times, so their clocks have to agree to well within a lease.
    Every method raises `JobStoreError` if the database does not answer for 20 seconds, or refuses.

    Args:
        url: `sqlite:///path` (a file on a local disk, as its log needs shared memory), or `postgresql://…`.
        clock: seconds since 1970.

    Raises:
        JobStoreError: the URL can't be opened, or its tables are newer than this program.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._database = Database(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; leases stay until they are released or run out."""
        self._database.close()

    # Jobs

    def add_job(
        self,
        kind: str,
        owner: str,
        spec: Mapping[str, Any],
        bundle: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        expires_at: float | None = None,
        job_id: str | None = None,
    ) -> Job:
        """Queue a job.

        Args:
            kind: "job" or "batch"; its id begins with it.
            bundle: fingerprint of the bundle that has to answer.
            expires_at: when it ends even if it is not done; None: never.
            job_id: rather than a new one.

        Raises:
            InvalidInput: there is a job of that id.
        """
        job_id = job_id if job_id is not None else jobs.new_job_id(kind)
        job = Job(
            job_id, kind, owner, spec, bundle, "queued", self._clock(), expires_at=expires_at, metadata=metadata or {}
        )
        return self._database.write_once(jobs.add_job, job)

    def job(self, job_id: str) -> Job | None:
        """The job as it stands, if there is one."""
        return self._database.read(jobs.select_job, job_id)

    def jobs(self, kind: str | None, owner: str | None, *, after: str | None = None, limit: int = 20) -> list[Job]:
        """A page of jobs, newest first; None: of any kind, of any owner.

        Args:
            after: id of the last job of the page before.

        Raises:
            InvalidInput: no such job is called `after`.
        """
        return self._database.read(jobs.list_jobs, kind, owner, after, limit)

    def tally(self) -> JobTally:
        """How many jobs there are in each state, and how far they are."""
        return self._database.read(jobs.tally)

    def cancel(self, job_id: str) -> Job | None:
        """Give out nothing more of a job, and end it once no unit of it is leased; one that has ended is unchanged."""
        return self._database.write(once.cancel_job, job_id, self._clock())

    def note(self, job_id: str, name: str) -> None:
        """Keep the present moment in the metadata of a job that has not ended, unless there is one of that name."""
        self._database.write(once.note, job_id, name, self._clock())

    def keep_result(
        self, job_id: str, result: Mapping[str, Any], written: Sequence[StoredFile] = ()
    ) -> Mapping[str, Any] | None:
        """Keep what came of a job that ended before its time, together with the names of files that it has in it.

        Returns:
            What is kept then, which others may have said; None if there is no such job.
        """
        return self._database.write(once.keep_result, job_id, result, written)

    def delete_job(self, job_id: str) -> bool:
        """Forget a job, also one that has not ended, whose leases are lost then; whether there was one."""
        return self._database.write_once(jobs.delete_job, job_id)

    def done_chunks(self, job_id: str) -> Iterator[DoneChunk]:
        """Chunks that are answered, by number; some are in memory at a time."""
        after = -1
        while page := self._database.read(jobs.done_chunks, job_id, after):
            yield from page
            after = page[-1].number

    def num_open_chunks(self, job_id: str) -> int:
        """Chunks that are planned and not answered."""
        return self._database.read(jobs.num_open_chunks, job_id)

    def num_of_others(self, bundle: str) -> int:
        """How many jobs have not ended, and wait for another bundle than this one."""
        return self._database.read(jobs.num_of_others, bundle)

    # For whoever cleans up

    def end_overdue(self) -> None:
        """End jobs that are out of time, and cancelled ones whose last lease ran out; `lease` does it too."""
        now = self._clock()
        for job_id in self._database.read(jobs.overdue, now):
            self._database.write(jobs.end_overdue, job_id, now)

    def ended_jobs(self, before: float, *, limit: int = 100) -> list[Job]:
        """Jobs that ended before that second, the oldest first; their files can go, and then they."""
        return self._database.read(jobs.ended_jobs, before, limit)

    # Work

    def lease(
        self,
        worker: str,
        lease_s: float,
        *,
        bundle: str | None = None,
        job_id: str | None = None,
        look_ahead: int = 64,
    ) -> Lease | None:
        """The next unit of the oldest job that has one; None if there is nothing to do now.

        Of a job: "plan" while fewer than `look_ahead` chunks wait for an answer and the input is not read to its end,
        then "answer" of the first free chunk, and once all are answered "finish". A unit that was given out 25 times
        fails its job, unless it was given back; planning that gets further is counted anew.

        Args:
            worker: a name that no other process has.
            bundle: only jobs that this one has to answer; None: any.
            job_id: only of this job.
        """
        while True:
            now = self._clock()
            overdue, found = self._database.read(leasing.look, now, bundle, job_id, look_ahead)
            for ended_id in overdue:
                self._database.write(jobs.end_overdue, ended_id, now)
            if found is None:
                return None
            token = secrets.token_hex(16)
            until = now + lease_s
            lease = self._database.write_once(leasing.lease_unit, token, found, worker, now, until, look_ahead)
            if lease is not None:
                return lease

    def extend(self, worker: str, lease_s: float) -> None:
        """Let all leases that a worker still has run out `lease_s` from now."""
        now = self._clock()
        self._database.write(leasing.extend, worker, now, now + lease_s)

    def holds(self, lease: Lease) -> bool:
        """Whether it would count, were the unit said to be done now.

        Planning and finishing a job that is being cancelled does not; an answer to it does.
        """
        return self._database.read(leasing.holds, lease, self._clock())

    def release(self, lease: Lease, *, trouble: str = "", counts: bool = False) -> None:
        """Give a unit back, for others at once; nothing happens if it was lost.

        Args:
            trouble: why it was not done; it is told if the job fails of that.
            counts: whether it was attempted, and may be what goes wrong.
        """
        self._database.write(leasing.release, lease, trouble, counts, self._clock())

    def release_worker(self, worker: str, *, counts: bool = False) -> None:
        """Give back all units that a worker has.

        Args:
            counts: whether it died, maybe of one of them.
        """
        for job_id in self._database.read(leasing.leases_of, worker):
            self._database.write(leasing.release_job, job_id, worker, counts, self._clock())

    def release_job(self, job_id: str) -> None:
        """Give back all units of a job, for somebody who knows that those who have them are dead."""
        self._database.write(leasing.release_job, job_id, None, True, self._clock())

    def add_chunks(self, lease: Lease, chunks: Sequence[Chunk], *, done: bool) -> bool:
        """Plan more of a job; `done` says that this is all, and ends the lease.

        Returns:
            False: the lease was lost, or the job is being cancelled; nothing was added.

        Raises:
            ValueError: the chunks do not go on where those before ended.
        """
        return self._database.write_once(leasing.add_chunks, lease, chunks, done, self._clock())

    def complete(self, lease: Lease, done: DoneChunk, most_bad: int | None = None) -> bool:
        """Keep the answers of the leased chunk, and count them.

        Args:
            most_bad: with more records than this that could not be answered, the job has failed.

        Returns:
            False: the lease was lost, or the chunk is done; nothing was kept.

        Raises:
            ValueError: they are not those of the leased chunk, or their counts do not add up.
        """
        return self._database.write_once(leasing.complete, lease, done, most_bad, self._clock())

    def finish(self, lease: Lease, result: Mapping[str, Any]) -> bool:
        """End a job with its result; False: the lease was lost, or the job is being cancelled."""
        return self._database.write_once(leasing.finish, lease, result, self._clock())

    def fail(self, lease: Lease, error: str) -> bool:
        """End a job because of an error; False: the lease was lost, or the job is being cancelled."""
        return self._database.write_once(leasing.fail, lease, error, self._clock())

    # Files

    def add_file(self, file: StoredFile) -> None:
        """Keep the name of a file, which is in `StateFiles` already, in place of one that had its id."""
        self._database.write(files.add_file, file)

    def file(self, file_id: str) -> StoredFile | None:
        """The file, if there is one."""
        return self._database.read(files.select_file, file_id)

    def files(
        self, owner: str | None, *, purpose: str | None = None, after: str | None = None, limit: int = 20
    ) -> list[StoredFile]:
        """A page of files, newest first; None: of any owner, for any purpose.

        Args:
            after: id of the last file of the page before.

        Raises:
            InvalidInput: no such file is called `after`.
        """
        return self._database.read(files.list_files, owner, purpose, after, limit)

    def num_bytes(self, owner: str | None) -> int:
        """Of all files of an owner together; None: of all owners."""
        return self._database.read(files.num_bytes, owner)

    def expired_files(self, now: float, *, limit: int = 100) -> list[StoredFile]:
        """Files whose time was up at that second, the oldest first; what lies in `StateFiles` can go, and then they."""
        return self._database.read(files.expired_files, now, limit)

    def delete_file(self, file_id: str) -> bool:
        """Forget a file; whether there was one."""
        return self._database.write_once(files.delete_file, file_id)


def new_file_id() -> str:
    """An id for `add_file` that nobody can guess."""
    return "file-" + secrets.token_hex(16)
