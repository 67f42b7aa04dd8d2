"""Jobs with a translator that writes capitals when it may."""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from rondo_services.errors import Cancelled, EngineFailed, InvalidInput, Overloaded, RondoError, TimedOut
from rondo_services.schema import as_list
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
        assert await world.jobs.passages_of(FILE) == FILE.read().passages
        with pytest.raises(InvalidInput, match="not supported"):
            await world.jobs.passages_of(Upload("a.exe", b""))
        entry = b'msgid "a"\nmsgstr "b"\n'
        passages = [await world.jobs.passages_of(Upload("a.po", entry, overwrite)) for overwrite in (False, True)]
        assert [len(own) for own in passages] == [0, 1]

    run(test)
