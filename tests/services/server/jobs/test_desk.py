"""Where jobs and files are handed in."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from rondo_services.errors import UnknownObject
from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.types import StoredFile
from rondo_services.server.jobs.desk import JobDesk, job_place
from rondo_services.server.settings import ServerSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _desk(folder: Path, clock: Clock) -> JobDesk:
    return JobDesk(ServerSettings(state_dir=folder, jobs_kept_s=100), clock)


async def _file(desk: JobDesk, kept_s: float | None = None) -> StoredFile:
    return await desk.add_file(io.BytesIO(b"abc"), 3, "a.jsonl", "job", kept_s)


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    desk = _desk(tmp_path / "state", Clock())
    desk.close()
    assert not (tmp_path / "state").exists()
    desk.open()
    assert (tmp_path / "state" / "jobs").stat().st_mode & 0o777 == 0o700
    desk.close()


def test_a_place_can_be_elsewhere(tmp_path: Path) -> None:
    settings = ServerSettings(state_dir=tmp_path, database_url="postgresql://host/name", files_url="s3://bucket/jobs")
    place = job_place(settings)
    assert (place.database_url, place.files_url) == ("postgresql://host/name", "s3://bucket/jobs")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cant_be_made_is_the_servers_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobStoreError, match="no place for jobs"):
        _desk(tmp_path / "file", Clock()).open()


def test_files_expire_and_are_swept(tmp_path: Path) -> None:
    clock = Clock()
    desk = _desk(tmp_path, clock)

    async def ask() -> None:
        long, default, short = await _file(desk, 500), await _file(desk), await _file(desk, 10)
        clock.now += 50
        assert [file.id for file in await desk.files()] == [default.id, long.id]
        with pytest.raises(UnknownObject):
            await desk.file(short.id)
        clock.now += 100
        assert [file.id for file in await desk.files()] == [long.id]
        store, files = desk.open()
        assert default.name in files.names()
        desk.drop_old()
        assert default.name not in files.names()
        assert store.file(default.id) is None
        assert (await desk.open_file(long.name)).read() == b"abc"

    asyncio.run(ask())
    desk.close()


def test_jobs_are_swept_a_while_after_their_end(tmp_path: Path) -> None:
    clock = Clock()
    desk = _desk(tmp_path, clock)

    async def ask() -> None:
        ended, waiting = [await desk.add_job("job", {"service": "sentiment"}, "b", {}) for _ in range(2)]
        await desk.cancel(ended)
        desk.open()[1].write(f"jobs/{ended.id}/out/0", b"x")
        clock.now += 99
        desk.drop_old()
        assert (await desk.job(ended.id, "job")).state == "cancelled"
        clock.now += 2
        desk.drop_old()
        assert list(desk.open()[1].names()) == []
        with pytest.raises(UnknownObject):
            await desk.job(ended.id, "job")
        assert (await desk.job(waiting.id, "job")).state == "queued"

    asyncio.run(ask())
    desk.close()


def test_jobs_that_are_out_of_time_end_although_nobody_works(tmp_path: Path) -> None:
    """Only workers ended them, so a server that leaves jobs to workers and had none kept them for ever."""
    clock = Clock()
    desk = _desk(tmp_path, clock)

    async def ask() -> None:
        late = await desk.add_job("batch", {}, "b", {}, clock.now + 50)
        clock.now += 51
        desk.drop_old()
        assert (await desk.job(late.id, "batch")).state == "expired"

    asyncio.run(ask())
    desk.close()


def test_what_broke_off_is_swept_after_a_day(tmp_path: Path) -> None:
    """What an upload left that was killed, or a deletion, stayed for ever."""
    clock = Clock()
    clock.now = 1_000_000
    desk = _desk(tmp_path, clock)
    folder = tmp_path / "jobs" / "files" / "files"

    def left(name: str, seconds_ago: float) -> None:
        (folder / name).touch()
        os.utime(folder / name, (clock.now - seconds_ago,) * 2)

    async def ask() -> None:
        kept = await _file(desk, 1_000_000)
        left(kept.id, 200_000)
        left("file-1", 86_401)
        left("file-2.0123456789abcdef.part", 86_401)
        left("file-3.0123456789abcdef.part", 86_000)
        desk.drop_old()
        assert sorted(os.listdir(folder)) == sorted([kept.id, "file-3.0123456789abcdef.part"])
        clock.now += 1800
        desk.drop_old()
        assert len(os.listdir(folder)) == 2, "they are looked for once an hour"
        clock.now += 1800
        desk.drop_old()
        assert os.listdir(folder) == [kept.id]

    asyncio.run(ask())
    desk.close()


def test_a_file_is_forgotten_before_it_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second of both failed, there was a file without content, and asking for it was a fault of ours."""
    desk = _desk(tmp_path, Clock())

    def failing(files: StateFiles, name: str) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(StateFiles, "delete", failing)

    async def ask() -> None:
        file = await _file(desk)
        with pytest.raises(JobStoreError):
            await desk.delete_file(file)
        assert await desk.files() == []

    asyncio.run(ask())
    desk.close()


@pytest.mark.parametrize("identifier", ["", "job_\x00", "job_\ud800", "../x", "x" * 5000, "job_0"])
def test_what_can_be_no_id_is_unknown(tmp_path: Path, identifier: str) -> None:
    desk = _desk(tmp_path, Clock())

    async def ask() -> None:
        with pytest.raises(UnknownObject):
            await desk.job(identifier, "job")
        with pytest.raises(UnknownObject):
            await desk.file(identifier)

    asyncio.run(ask())
    desk.close()
