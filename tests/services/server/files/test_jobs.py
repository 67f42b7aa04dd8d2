"""Jobs with a translator that writes capitals when it may."""

import asyncio
import gc
import io
import logging
import re
import threading
import time
import weakref
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from rondo_services.documents.document import Document
from rondo_services.documents.formats import read_document
from rondo_services.errors import Cancelled, EngineFailed, InvalidInput, Overloaded, RondoError, TimedOut
from rondo_services.schema import as_list
from rondo_services.server.files import jobs as jobs_module
from rondo_services.server.files.jobs import MOST_OPEN, FileJob, FileJobs, Upload
from rondo_services.server.files.store import FileStore
from rondo_services.server.files.unhurried import UnhurriedTranslation
from rondo_services.translation.schema import TranslateRequest, TranslationResult

LINES = b"A line that is long enough to be no other line's companion.\n" * 100
FILE = Upload("lines.txt", LINES)


class Capitals:
    """Waits for `may_go` after `portions` requests."""

    def __init__(self, portions: int = 1000, error: Exception | None = None) -> None:
        self.may_go = asyncio.Event()
        self.portions = portions
        self.error = error
        self.cancelled = 0

    async def translate(
        self, request: TranslateRequest, deadline: float, releases: dict[str, None]
    ) -> list[TranslationResult]:
        self.portions -= 1
        try:
            if self.portions < 0:
                await self.may_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return [
            TranslationResult(translation=text.upper(), source="en", target="de", score=0.0, warning="poor")
            for text in as_list(request.text)
        ]


class World:
    def __init__(self, folder: Path, capitals: Capitals) -> None:
        self.capitals = capitals
        self.folder = folder
        store = FileStore(folder, 60.0, 100, 10**9)
        self.jobs = FileJobs(cast("UnhurriedTranslation", capitals), store)

    def start(self) -> FileJob:
        return self.jobs.start(FILE, FILE.read().passages, "en", "de", [("en", "de")], deadline=1e9)


Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a test in a loop, and close the jobs at its end."""

    def in_loop(test: Callable[[World], Any], **options: Any) -> None:
        async def closing() -> None:
            world = World(tmp_path, Capitals(**options))
            try:
                await test(world)
            finally:
                await world.jobs.close()
            assert list(tmp_path.iterdir()) == []

        asyncio.run(closing())

    return in_loop


async def settled(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def test_a_file_is_translated(run: Run) -> None:
    async def test(world: World) -> None:
        job = world.start()
        assert world.jobs.find(job.id) is job
        assert await world.jobs.result(job) is job
        assert (job.status, job.progress, job.warnings) == ("done", 1.0, ("poor",))
        assert job.name is not None
        found = world.jobs.store.find(job.name)
        assert found is not None
        assert (found.path.read_bytes(), found.download_name) == (LINES.upper(), "lines_de.txt")

    run(test)


def test_progress(run: Run) -> None:
    async def test(world: World) -> None:
        job = world.start()
        await settled(lambda: world.capitals.portions < 0)
        assert (job.status, job.name) == ("running", None)
        assert 0 < job.progress < 1
        world.capitals.may_go.set()
        await world.jobs.result(job)

    run(test, portions=2)


def test_whoever_stops_waiting_gives_it_up(run: Run) -> None:
    async def test(world: World) -> None:
        job = world.start()
        waiting = asyncio.create_task(world.jobs.result(job))
        await settled(lambda: world.capitals.portions < 0)
        waiting.cancel()
        await settled(lambda: world.capitals.cancelled == 1)
        assert (job.status, job.name) == ("cancelled", None)
        with pytest.raises(Cancelled):
            await world.jobs.result(job)
        assert [path for path in world.folder.rglob("*") if path.is_file()] == []

    run(test, portions=1)


@pytest.mark.parametrize("error", [TimedOut("late"), EngineFailed("broken")])
def test_an_error_is_told_to_who_waits_and_who_asks(run: Run, error: RondoError) -> None:
    async def test(world: World) -> None:
        job = world.start()
        with pytest.raises(type(error), match=error.message):
            await world.jobs.result(job)
        assert (job.status, job.error) == ("failed", error)
        world.jobs.cancel(job)
        assert job.status == "failed"

    run(test, error=error)


class Watched(str):
    """A name that tells whether anybody still holds on to it."""

    __slots__ = ("__weakref__",)


def test_a_job_that_failed_is_remembered_without_its_file(run: Run) -> None:
    """Its error's traceback held on to the bytes and the passages, of up to 500 jobs."""

    async def test(world: World) -> None:
        name = Watched("lines.txt")
        watched = weakref.ref(name)
        upload = Upload(name, LINES)
        del name
        jobs = [world.jobs.start(upload, upload.read().passages, "en", "de", [("en", "de")], 1e9) for _ in range(2)]
        del upload
        await settled(lambda: all(job.status == "failed" for job in jobs))
        gc.collect()
        assert watched() is None
        assert world.jobs.find(jobs[0].id) is jobs[0]
        with pytest.raises(TimedOut):
            await world.jobs.result(jobs[0])
        assert world.jobs.find(jobs[0].id) is None

    run(test, error=TimedOut("late"))


def test_an_error_of_ours_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        job = world.start()
        with pytest.raises(ZeroDivisionError, match="oh"):
            await world.jobs.result(job)
        assert job.status == "failed"

    with caplog.at_level(logging.ERROR, "rondo"):
        run(test, error=ZeroDivisionError("oh"))
    assert "ZeroDivisionError: oh" in caplog.text


def test_only_so_many_at_once(run: Run) -> None:
    async def test(world: World) -> None:
        jobs = [world.start() for _ in range(MOST_OPEN)]
        with pytest.raises(Overloaded, match="16 files"):
            world.start()
        world.jobs.cancel(jobs[0])
        world.start()

    run(test, portions=0)


def test_ended_jobs_are_forgotten_some_day(run: Run) -> None:
    async def test(world: World) -> None:
        first = world.start()
        await world.jobs.result(first)
        for _ in range(499):
            job = world.jobs.start(Upload("a.txt", b""), [], "en", "de", [("en", "de")], deadline=1e9)
            await world.jobs.result(job)
        assert world.jobs.find(first.id) is first
        await world.jobs.result(world.jobs.start(Upload("a.txt", b""), [], "en", "de", [("en", "de")], deadline=1e9))
        assert world.jobs.find(first.id) is None

    run(test)


def test_closing_gives_all_up(run: Run) -> None:
    jobs: list[FileJob] = []

    async def test(world: World) -> None:
        jobs.append(world.start())
        await settled(lambda: world.capitals.portions < 0)

    run(test, portions=0)
    assert jobs[0].status == "cancelled"


def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def test() -> None:
        world = World(tmp_path / "file", Capitals())
        with pytest.raises(EngineFailed, match="no place for translated files"):
            world.start()

    asyncio.run(test())


def test_names_cannot_be_guessed(run: Run) -> None:
    async def test(world: World) -> None:
        first, second = world.start(), world.start()
        assert re.fullmatch("[0-9a-f]{32}", first.id)
        assert first.id != second.id
        await world.jobs.result(first)
        assert first.name is not None
        assert not first.name.startswith(first.id)

    run(test)


def test_a_file_is_taken_apart(run: Run) -> None:
    async def test(world: World) -> None:
        assert await world.jobs.passages_of(FILE, 1e9) == FILE.read().passages
        with pytest.raises(InvalidInput, match="not supported"):
            await world.jobs.passages_of(Upload("a.exe", b""), 1e9)
        entry = b'msgid "a"\nmsgstr "b"\n'
        uploads = [Upload("a.po", entry, overwrite) for overwrite in (False, True)]
        passages = [await world.jobs.passages_of(upload, 1e9) for upload in uploads]
        assert [len(own) for own in passages] == [0, 1]

    run(test)


LARGE = Upload("large.txt", LINES * 20)


class SlowReader:
    """Large files are only read once `may_go` is set."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.reading = 0
        self.most_at_once = 0

    def read(self, name: str, data: bytes, *, overwrite: bool = False) -> Document:
        self.reading += 1
        self.most_at_once = max(self.most_at_once, self.reading)
        if name == LARGE.name:
            assert self.may_go.wait(30)
        self.reading -= 1
        return read_document(name, data, overwrite=overwrite)


@pytest.fixture
def slow_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowReader]:
    reader = SlowReader()
    monkeypatch.setattr(jobs_module, "read_document", reader.read)
    yield reader
    reader.may_go.set()


def test_the_deadline_is_kept_while_a_file_is_read_and_while_it_waits_for_that(
    run: Run, slow_reader: SlowReader
) -> None:
    """A deadline of 2 s once ended after 25 s, when another's file had been read."""

    async def test(world: World) -> None:
        began = time.monotonic()
        both = (world.jobs.passages_of(LARGE, began + 0.05) for _ in range(2))
        late = await asyncio.gather(*both, return_exceptions=True)
        assert [type(error) for error in late] == [TimedOut, TimedOut]
        slow_reader.may_go.set()
        assert await world.jobs.passages_of(LARGE, time.monotonic() + 30)

    run(test)


def test_the_deadline_is_kept_while_the_translation_is_put_in(run: Run, slow_reader: SlowReader) -> None:
    async def test(world: World) -> None:
        job = world.jobs.start(LARGE, [], "en", "de", [("en", "de")], time.monotonic() + 0.05)
        with pytest.raises(TimedOut):
            await world.jobs.result(job)
        assert (job.status, job.name) == ("failed", None)

    run(test)


def test_who_gives_up_while_a_file_is_read_leaves_the_line_and_the_next_waits_for_what_has_begun(
    run: Run, slow_reader: SlowReader
) -> None:
    async def test(world: World) -> None:
        reading = [asyncio.create_task(world.jobs.passages_of(LARGE, 1e9)) for _ in range(3)]
        await settled(lambda: slow_reader.reading == 1)
        for task in reading[:2]:
            task.cancel()
        ended = await asyncio.gather(*reading[:2], return_exceptions=True)
        assert [type(error) for error in ended] == [asyncio.CancelledError] * 2
        slow_reader.may_go.set()
        assert await reading[2]
        assert slow_reader.most_at_once == 1

    run(test)


def test_a_small_file_does_not_wait_for_a_large_one(run: Run, slow_reader: SlowReader) -> None:
    async def test(world: World) -> None:
        large = asyncio.create_task(world.jobs.passages_of(LARGE, 1e9))
        await settled(lambda: slow_reader.reading == 1)
        assert await world.jobs.passages_of(FILE, time.monotonic() + 30) == FILE.read().passages
        assert not large.done()
        slow_reader.may_go.set()
        await large

    run(test)


def test_files_that_are_read_count_among_those_at_once(run: Run, slow_reader: SlowReader) -> None:
    """Any number once waited for the one that was being read, each with all of its bytes."""

    async def test(world: World) -> None:
        reading = [asyncio.create_task(world.jobs.passages_of(LARGE, 1e9)) for _ in range(MOST_OPEN)]
        await settled(lambda: slow_reader.reading == 1)
        with pytest.raises(Overloaded, match="16 files"):
            world.jobs.check_room()
        slow_reader.may_go.set()
        await asyncio.gather(*reading)
        world.jobs.check_room()

    run(test)


def test_what_is_small(tmp_path: Path) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("word/document.xml", b"<" * 1_000_001)
    assert FILE.is_small
    assert not LARGE.is_small
    assert not Upload("a.docx", package.getvalue()).is_small
    assert Upload("a.docx", b"none").is_small
