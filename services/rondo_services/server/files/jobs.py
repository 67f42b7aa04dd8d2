"""Files being translated, and those that were: what has become of each."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from starlette.concurrency import run_in_threadpool

from ...documents.document import Document, Passage
from ...documents.formats import read_document, unpacked_size
from ...documents.translation import translate_passages
from ...errors import Cancelled, EngineFailed, Overloaded, RondoError, TimedOut
from ...releases.fleet import Fleet
from ...translation.pivot import Pairs, translate_over_pivot
from ..settings import ServerSettings
from .store import FileStore, translated_name
from .unhurried import UnhurriedTranslation

T = TypeVar("T")
logger = logging.getLogger("rondo")

MOST_OPEN = 16
_MOST_REMEMBERED = 500
_MOST_FILES = 500
_MOST_BYTES = 1_000_000_000
_RETRY_AFTER_S = 10
_SWEEP_EVERY_S = 60.0
_SMALL_BYTES, _SMALL_UNPACKED_BYTES = 100_000, 1_000_000

Status = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came; `overwrite` is for its reader."""

    name: str
    data: bytes
    overwrite: bool = False

    def read(self) -> Document:
        """As `read_document`."""
        return read_document(self.name, self.data, overwrite=self.overwrite)

    @property
    def is_small(self) -> bool:
        """Whether it takes little time and memory to read."""
        return len(self.data) <= _SMALL_BYTES and unpacked_size(self.name, self.data) <= _SMALL_UNPACKED_BYTES


@dataclass(slots=True)
class FileJob:
    """A file's way.

    Attributes:
        id: nobody can guess it.
        progress: the share of the text that has been translated.
        name: under which the store has the result, once it is done.
        error: why it failed; what is no RondoError is a fault of ours.
        warnings: why the result may be poor.
    """

    id: str
    status: Status = "running"
    progress: float = 0.0
    name: str | None = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()
    task: asyncio.Task[None] | None = None


class FileJobs:
    """Translates files, a bounded number at a time.

    Only one is taken apart at any moment, and again when its translation is put in, since documents take up far more
    memory than files; beside it one small one, lest that waits for a large one.
    """

    def __init__(self, translation: UnhurriedTranslation, store: FileStore) -> None:
        self.store = store
        self._translation = translation
        self._jobs: dict[str, FileJob] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._num_read = 0
        self._table = ThreadPoolExecutor(1, "rondo-files")
        self._small_table = ThreadPoolExecutor(1, "rondo-small-files")

    def check_room(self) -> None:
        """Look before a file is read.

        Raises:
            Overloaded: as many as may be are being translated.
            EngineFailed: there is no folder for results.
        """
        num_open = self._num_read + sum(job.status == "running" for job in self._jobs.values())
        if num_open >= MOST_OPEN:
            raise Overloaded(f"{MOST_OPEN} files are being translated; try again later", retry_after_s=_RETRY_AFTER_S)
        try:
            self.store.open()
        except OSError as error:
            raise EngineFailed(f"there is no place for translated files: {error.strerror}") from error

    async def passages_of(self, upload: Upload, deadline: float) -> Sequence[Passage]:
        """What is to be translated of a file. Whoever stops waiting gives it up.

        Args:
            deadline: second of the monotonic clock at which it is given up.

        Raises:
            InvalidInput: as `read_document`.
            TimedOut: the deadline passed.
            Overloaded, EngineFailed: as `check_room`.
        """
        self.check_room()
        self._num_read += 1
        try:
            return await self._at_the_table(upload, lambda: upload.read().passages, deadline)
        finally:
            self._num_read -= 1

    def start(
        self,
        upload: Upload,
        passages: Sequence[Passage],
        source: str,
        target: str,
        pairs: Pairs,
        deadline: float,
    ) -> FileJob:
        """Begin to translate a file.

        Args:
            passages: what is to be translated of it.
            pairs: between which there is a model.
            deadline: second of the monotonic clock at which it is given up.

        Raises as `check_room`.
        """
        self.check_room()
        self._forget_oldest()
        job = self._jobs.setdefault(token := secrets.token_hex(16), FileJob(token))
        translate = partial(self._translate, job, upload, passages, source, target, pairs, deadline)
        job.task = asyncio.create_task(self._until_the_end(job, translate))
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return job

    def find(self, identifier: str) -> FileJob | None:
        """A job that is remembered."""
        return self._jobs.get(identifier)

    async def result(self, job: FileJob) -> FileJob:
        """Wait for the end; whoever stops waiting gives the job up. One that failed is forgotten then.

        Raises why it failed.
        """
        assert job.task is not None
        try:
            await asyncio.shield(job.task)
        except asyncio.CancelledError:
            self.cancel(job)
            raise
        if job.error is not None:
            self._jobs.pop(job.id, None)  # what is raised holds on to the file, as to all that its frames have
            raise job.error
        return job

    def cancel(self, job: FileJob) -> None:
        """Give a job up; nothing if it has ended."""
        if job.task is not None and job.status == "running":
            job.status = "cancelled"
            job.error = Cancelled("the translation of the file was given up")
            job.task.cancel()

    async def close(self) -> None:
        """Give up all, and delete all files."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for job in self._jobs.values():
            self.cancel(job)
        if self._sweeper is not None:
            self._sweeper.cancel()
            tasks.append(self._sweeper)
        await asyncio.gather(*tasks, return_exceptions=True)
        for table in (self._table, self._small_table):
            table.shutdown(wait=False, cancel_futures=True)
        self.store.close()

    async def _translate(
        self,
        job: FileJob,
        upload: Upload,
        passages: Sequence[Passage],
        source: str,
        target: str,
        pairs: Pairs,
        deadline: float,
    ) -> None:
        releases: dict[str, None] = {}

        def progress(share: float) -> None:
            job.progress = share

        translate = partial(self._translation.translate, deadline=deadline, releases=releases)
        over_pivot = partial(translate_over_pivot, pairs=pairs, translate=translate, likely=(source,))
        translated = await translate_passages(passages, source, target, over_pivot, progress)
        data = await self._at_the_table(upload, lambda: upload.read().written(translated.texts), deadline)
        job.name = await run_in_threadpool(self.store.keep, translated_name(upload.name, target), data)
        mixed = (f"translated by one release after the other: {', '.join(releases)}",) if len(releases) > 1 else ()
        job.warnings, job.progress, job.status = (*translated.warnings, *mixed), 1.0, "done"

    async def _at_the_table(self, upload: Upload, work: Callable[[], T], deadline: float) -> T:
        """What `work` makes of the file, when it is its turn. A file that is given up leaves the line, or, if its turn
        has come, is finished all the same, and the next one waits for that.

        Raises:
            TimedOut: it was not ready at the deadline; or as `work` does.
        """
        table = self._small_table if upload.is_small else self._table
        doing = asyncio.get_running_loop().run_in_executor(table, work)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await doing
        except TimeoutError as error:
            raise TimedOut("the deadline passed before the file was read or written") from error

    async def _until_the_end(self, job: FileJob, translate: Callable[[], Awaitable[None]]) -> None:
        """Take down how it ended."""
        try:
            await translate()
        except RondoError as error:
            job.status, job.error = "failed", _without_frames(error)
        except asyncio.CancelledError:
            self.cancel(job)
        except Exception as error:
            logger.exception("a file could not be translated")
            job.status, job.error = "failed", _without_frames(error)

    def _forget_oldest(self) -> None:
        ended = [identifier for identifier, job in self._jobs.items() if job.status != "running"]
        for identifier in ended[: max(0, len(self._jobs) - _MOST_REMEMBERED + 1)]:
            del self._jobs[identifier]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            self.store.drop_expired()


def _without_frames(error: Exception) -> Exception:
    """An error that is remembered, without what it was raised in, which has the file and its passages."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def file_jobs(fleet: Fleet, settings: ServerSettings) -> FileJobs | None:
    """As the settings have it; None where nothing is translated."""
    if "translation" not in fleet.services:
        return None
    translation = UnhurriedTranslation(fleet, settings.max_text_tokens)
    store = FileStore(settings.state_dir, settings.files_kept_s, _MOST_FILES, _MOST_BYTES)
    return FileJobs(translation, store)
