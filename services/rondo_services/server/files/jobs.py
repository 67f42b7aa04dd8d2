"""Files being translated, and those that were: what has become of each."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from starlette.concurrency import run_in_threadpool

from ...documents.document import Document, Passage
from ...documents.formats import read_document
from ...documents.translation import translate_passages
from ...errors import Cancelled, EngineFailed, Overloaded, RondoError
from ...releases.fleet import Fleet
from ...translation.pivot import Pairs, translate_over_pivot
from ..settings import ServerSettings
from .store import FileStore, translated_name
from .unhurried import UnhurriedTranslation

logger = logging.getLogger("rondo")

MOST_OPEN = 16
_MOST_REMEMBERED = 500
_MOST_FILES = 500
_MOST_BYTES = 1_000_000_000
_RETRY_AFTER_S = 10
_SWEEP_EVERY_S = 60.0

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
    memory than files.
    """

    def __init__(self, translation: UnhurriedTranslation, store: FileStore) -> None:
        self.store = store
        self._translation = translation
        self._jobs: dict[str, FileJob] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._table = asyncio.Lock()

    def check_room(self) -> None:
        """Look before a file is read.

        Raises:
            Overloaded: as many as may be are being translated.
            EngineFailed: there is no folder for results.
        """
        if sum(job.status == "running" for job in self._jobs.values()) >= MOST_OPEN:
            raise Overloaded(f"{MOST_OPEN} files are being translated; try again later", retry_after_s=_RETRY_AFTER_S)
        try:
            self.store.open()
        except OSError as error:
            raise EngineFailed(f"there is no place for translated files: {error.strerror}") from error

    async def passages_of(self, upload: Upload) -> Sequence[Passage]:
        """What is to be translated of a file.

        Raises:
            InvalidInput: as `read_document`.
        """
        async with self._table:
            return await run_in_threadpool(lambda: upload.read().passages)

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
        """Wait for the end; whoever stops waiting gives the job up.

        Raises why it failed.
        """
        assert job.task is not None
        try:
            await asyncio.shield(job.task)
        except asyncio.CancelledError:
            self.cancel(job)
            raise
        if job.error is not None:
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

        def write() -> str:
            return self.store.keep(translated_name(upload.name, target), upload.read().written(translated.texts))

        translate = partial(self._translation.translate, deadline=deadline, releases=releases)
        over_pivot = partial(translate_over_pivot, pairs=pairs, translate=translate, likely=(source,))
        translated = await translate_passages(passages, source, target, over_pivot, progress)
        async with self._table:
            job.name = await run_in_threadpool(write)
        mixed = (f"translated by one release after the other: {', '.join(releases)}",) if len(releases) > 1 else ()
        job.warnings, job.progress, job.status = (*translated.warnings, *mixed), 1.0, "done"

    async def _until_the_end(self, job: FileJob, translate: Callable[[], Awaitable[None]]) -> None:
        """Take down how it ended."""
        try:
            await translate()
        except RondoError as error:
            job.status, job.error = "failed", error
        except asyncio.CancelledError:
            self.cancel(job)
        except Exception as error:
            logger.exception("a file could not be translated")
            job.status, job.error = "failed", error

    def _forget_oldest(self) -> None:
        ended = [identifier for identifier, job in self._jobs.items() if job.status != "running"]
        for identifier in ended[: max(0, len(self._jobs) - _MOST_REMEMBERED + 1)]:
            del self._jobs[identifier]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            self.store.drop_expired()


def file_jobs(fleet: Fleet, settings: ServerSettings) -> FileJobs | None:
    """As the settings have it; None where nothing is translated."""
    if "translation" not in fleet.services:
        return None
    translation = UnhurriedTranslation(fleet, settings.max_text_tokens)
    store = FileStore(settings.state_dir, settings.files_kept_s, _MOST_FILES, _MOST_BYTES)
    return FileJobs(translation, store)
