"""Where jobs and files are handed in and asked for, by their owners only. Knows no protocol, and answers no job.

The owner is the name of the key that a request came with, so that a key can be replaced; where no key is asked for,
everything is everybody's.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from starlette.concurrency import run_in_threadpool

from ...access.control import request_caller
from ...access.key_file import make_state_folder
from ...errors import UnknownObject, WrongState
from ...jobs.errors import JobStoreError
from ...jobs.files import StateFiles
from ...jobs.settings import JobPlace
from ...jobs.store import JobStore
from ...jobs.store.store import new_file_id
from ...jobs.types import Job, StoredFile
from ..settings import ServerSettings
from .keeping import blocks_of, drop_file, drop_job, drop_leftovers, files_of, storage_errors, write_file
from .room import FileRoom

T = TypeVar("T")

_AT_ONCE = 500
_LEFTOVERS_EVERY_S = 3600.0
_LEFT_AFTER_S = 86_400.0
"""Nothing takes so long to be sent or deleted."""
_USABLE_ID = re.compile(r"[a-z0-9_-]{1,64}")


def job_place(settings: ServerSettings) -> JobPlace:
    """Where the settings have the jobs: by default in the state folder, which is made."""
    if not settings.database_url or not settings.files_url:
        make_state_folder(settings.state_dir / "jobs")
    own = JobPlace.in_folder(settings.state_dir / "jobs")
    return JobPlace(settings.database_url or own.database_url, settings.files_url or own.files_url)


class JobDesk:
    """A store of jobs and its files, opened when they are first needed. Its async methods do not hold up the loop.

    All raise JobStoreError if the store can't be opened or asked.

    Args:
        clock: seconds since 1970.

    Attributes:
        is_ending: whether the server is, and streams have to end.
        kept_s: how long what names no time itself is kept.
    """

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.time) -> None:
        self.is_ending: Callable[[], bool] = lambda: False
        self.kept_s = settings.jobs_kept_s
        self._settings = settings
        self._clock = clock
        self._room = FileRoom(settings.max_files_bytes, settings.max_owner_bytes)
        self._leftovers_at = clock()
        self._opened: tuple[JobStore, StateFiles] | None = None
        self._opening = threading.Lock()

    def open(self) -> tuple[JobStore, StateFiles]:
        """The store and its files; from any thread."""
        with self._opening:
            if self._opened is None:
                try:
                    place = job_place(self._settings)
                    self._opened = JobStore(place.database_url, clock=self._clock), StateFiles(place.files_url)
                except OSError as error:
                    raise JobStoreError(f"there is no place for jobs: {error}") from error
            return self._opened

    def close(self) -> None:
        """Close the store, if it was opened."""
        with self._opening:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    async def ask(self, question: Callable[[JobStore], T]) -> T:
        """What the store says."""
        return await run_in_threadpool(lambda: question(self.open()[0]))

    async def add_job(
        self,
        kind: str,
        spec: Mapping[str, Any],
        bundle: str,
        metadata: Mapping[str, Any],
        expires_at: float | None = None,
    ) -> Job:
        """Take a job of whoever sent the request."""
        owner = request_owner()
        return await self.ask(
            lambda store: store.add_job(kind, owner, spec, bundle, metadata=metadata, expires_at=expires_at)
        )

    async def job(self, identifier: str, kind: str) -> Job:
        """A job of whoever sent the request.

        Raises:
            UnknownObject: there is none.
        """
        job = await self.ask(lambda store: store.job(identifier)) if _USABLE_ID.fullmatch(identifier) else None
        if job is None or job.kind != kind or job.owner != request_owner():
            raise UnknownObject(f"there is no {kind} {identifier!r}, or not any more", field="id")
        return job

    async def jobs(self, kind: str, after: str | None, limit: int) -> tuple[list[Job], bool]:
        """Jobs of whoever sent the request, newest first, after another one; and whether there are more.

        Raises:
            UnknownObject: there is no job to go on after.
        """
        owner = request_owner()
        if after is not None:
            await self.job(after, kind)
        found = await self.ask(lambda store: store.jobs(kind, owner, after=after, limit=limit + 1))
        return found[:limit], len(found) > limit

    async def cancel(self, job: Job) -> Job:
        """Give a job up; nothing happens if it has ended."""
        return await self.ask(lambda store: store.cancel(job.id)) or job

    async def delete_job(self, job: Job) -> None:
        """Forget a job, and delete its files.

        Raises:
            WrongState: it has not ended.
        """
        if not job.has_ended:
            raise WrongState(f"the job is {job.state}; cancel it first, or wait for its end", field="id")
        await self._drop(drop_job, job)

    async def file(self, identifier: str) -> StoredFile:
        """A file of whoever sent the request, unless it has expired.

        Raises:
            UnknownObject: there is none.
        """
        file = await self.ask(lambda store: store.file(identifier)) if _USABLE_ID.fullmatch(identifier) else None
        if file is None or file.owner != request_owner() or self._has_expired(file):
            raise UnknownObject(f"there is no file {identifier!r}, or not any more", field="id")
        return file

    async def files(self) -> list[StoredFile]:
        """All files of whoever sent the request, newest first."""
        owner = request_owner()
        found = await self.ask(lambda store: list(files_of(store, owner)))
        return [file for file in found if not self._has_expired(file)]

    async def add_file(
        self, source: BinaryIO, num_bytes: int, filename: str, purpose: str, kept_s: float | None
    ) -> StoredFile:
        """Keep a file for whoever sent the request.

        Args:
            source: is read to its end.
            num_bytes: that it has.
            kept_s: how long; None: as the settings have it.

        Raises:
            TooLarge: there is no room for it besides the owner's other files, or all other files.
        """
        owner, now = request_owner(), self._clock()

        def keep() -> StoredFile:
            store, files = self.open()
            with self._room.taken(store, owner, num_bytes), storage_errors():
                file = write_file(
                    files,
                    blocks_of(source),
                    file_id=new_file_id(),
                    owner=owner,
                    filename=filename,
                    purpose=purpose,
                    created_at=now,
                    expires_at=now + (self.kept_s if kept_s is None else kept_s),
                )
                store.add_file(file)
            return file

        return await run_in_threadpool(keep)

    async def delete_file(self, file: StoredFile) -> None:
        """Forget a file."""
        await self._drop(drop_file, file)

    async def counted(self, file: StoredFile, count: Callable[[BinaryIO], int]) -> int:
        """What `count` says of a file's content.

        Raises:
            UnknownObject: it is not there any more.
        """

        def read() -> int:
            with self.content(file.name) as content, storage_errors():
                return count(content)

        return await run_in_threadpool(read)

    async def open_file(self, name: str) -> BinaryIO:
        """As `content`."""
        return await run_in_threadpool(self.content, name)

    def content(self, name: str) -> BinaryIO:
        """A file of `StateFiles`, to be closed; from any thread.

        Raises:
            UnknownObject: it is not there any more.
        """
        with storage_errors():
            try:
                return self.open()[1].open_read(name)
            except FileNotFoundError as error:
                raise UnknownObject("the content of this file is not there any more", field="id") from error

    def drop_old(self) -> None:
        """End jobs that are out of time; delete files that have expired, jobs that ended long ago, and leftovers."""
        store, files = self.open()
        store.end_overdue()
        for file in store.expired_files(self._clock(), limit=_AT_ONCE):
            drop_file(store, files, file)
        for job in store.ended_jobs(self._clock() - self.kept_s, limit=_AT_ONCE):
            drop_job(store, files, job)
        if self._clock() >= self._leftovers_at:
            self._leftovers_at = self._clock() + _LEFTOVERS_EVERY_S
            drop_leftovers(store, files, self._clock() - _LEFT_AFTER_S)

    async def _drop(self, drop: Callable[[JobStore, StateFiles, T], None], what: T) -> None:
        def dropped() -> None:
            with storage_errors():
                drop(*self.open(), what)

        await run_in_threadpool(dropped)

    def _has_expired(self, file: StoredFile) -> bool:
        return file.expires_at is not None and file.expires_at <= self._clock()


def request_owner() -> str:
    """To whom belongs what the request that is being answered makes."""
    caller = request_caller.get()
    return "" if caller is None or caller.record is None else caller.record.name
