"""Files of jobs are there as a whole or not at all, on a disk, in memory and in a real S3 protocol."""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.files import StateFiles


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """URL of a bucket on a server of our own."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "for-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "for-tests")
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="rondo", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client.close()
        yield "s3://rondo"
        server.stop()


@pytest.fixture(params=["disk", "memory", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> StateFiles:
    if request.param == "disk":
        return StateFiles(str(tmp_path / "state"))
    if request.param == "memory":
        return StateFiles(f"memory://{uuid4()}")
    return StateFiles(f"{request.getfixturevalue('s3')}/{uuid4()}")


def test_what_is_written_is_read(files: StateFiles) -> None:
    files.write("job_1/chunks/7", b"first")
    files.write("job_1/chunks/7", b"second")
    with files.open_read("job_1/chunks/7") as file:
        assert file.read() == b"second"
    assert abs(files.written_at("job_1/chunks/7") - time.time()) < 60


def test_a_written_stream_is_there_at_its_end(files: StateFiles) -> None:
    with files.open_write("report.json") as file:
        for part in (b"a" * 3_000_000, b"b"):
            file.write(part)
        file.flush()
        assert "report.json" not in files.names()
    with files.open_read("report.json") as file:
        assert file.read() == b"a" * 3_000_000 + b"b"


def test_a_stream_that_breaks_off_changes_nothing(files: StateFiles) -> None:
    files.write("report.json", b"old")

    def break_off() -> None:
        with files.open_write("report.json") as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with files.open_read("report.json") as file:
        assert file.read() == b"old"
    assert list(files.names()) == ["report.json"]


def test_names_are_listed_and_deleted_by_folder(files: StateFiles) -> None:
    for name in ("job_2/b", "job_1/chunks/1", "job_1/a", "job_12/a"):
        files.write(name, b"")
    assert list(files.names()) == ["job_1/a", "job_1/chunks/1", "job_12/a", "job_2/b"]
    assert list(files.names("job_1")) == ["job_1/a", "job_1/chunks/1"]
    assert list(files.names("job_3")) == []
    files.delete_all("job_1")
    files.delete_all("job_3")
    files.delete("job_2/b")
    files.delete("job_2/c")
    assert list(files.names()) == ["job_12/a"]


def test_what_is_not_there_can_not_be_read(files: StateFiles) -> None:
    with pytest.raises(FileNotFoundError):
        files.open_read("job_1/a")
    with pytest.raises(FileNotFoundError):
        files.written_at("job_1/a")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../../b", "a//b", "./a", "a\\b", "a\0b", "a/"])
@pytest.mark.parametrize("use", [StateFiles.open_write, StateFiles.open_read, StateFiles.delete, StateFiles.delete_all])
def test_names_stay_in_the_folder(use: Callable[..., object], name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names are relative"):
        use(StateFiles(str(tmp_path)), name)


def test_files_on_a_disk_are_for_their_owner(tmp_path: Path) -> None:
    files = StateFiles(f"file://{tmp_path}/state")
    files.write("job_1/a", b"")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "job_1").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "job_1" / "a").stat().st_mode) == 0o600


def test_what_a_killed_writer_left_is_listed_and_goes_by_its_name_or_with_its_folder(tmp_path: Path) -> None:
    files = StateFiles(str(tmp_path))
    files.write("job_1/a", b"")
    for left in "bc":
        (tmp_path / "job_1" / f"{left}.0123456789abcdef.part").touch()
    assert list(files.names()) == ["job_1/a", *(f"job_1/{left}.0123456789abcdef.part" for left in "bc")]
    files.delete("job_1/b.0123456789abcdef.part")
    assert list(files.names()) == ["job_1/a", "job_1/c.0123456789abcdef.part"]
    files.delete_all("job_1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["no-such://bucket", "/dev/null/state"])
def test_a_place_that_can_not_be_used_is_named(url: str) -> None:
    with pytest.raises(JobStoreError, match=url.partition(":")[0]):
        StateFiles(url)


def test_a_folder_is_deleted_although_others_delete_in_it(tmp_path: Path) -> None:
    """The first file that was gone already ended it, and the others stayed for ever."""
    files = StateFiles(str(tmp_path))
    names = [f"jobs/1/{number}" for number in range(300)]
    for name in names:
        files.write(name, b"")

    def delete_each() -> None:
        for name in reversed(names):
            files.delete(name)

    other = threading.Thread(target=delete_each)
    other.start()
    files.delete_all("jobs/1")
    left = list(files.names())
    other.join()
    assert left == []
