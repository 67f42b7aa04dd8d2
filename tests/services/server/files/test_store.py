"""Translated files: bounded in time, number and size."""

import errno
import os
import re
import time
from pathlib import Path

import pytest

from rondo_services.server.files.store import FileStore, translated_name


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def store(folder: Path, clock: Clock, files: int = 10, size: int = 1000) -> FileStore:
    return FileStore(folder, 60.0, files, size, clock)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_kept_for_its_time(tmp_path: Path) -> None:
    clock = Clock()
    own = store(tmp_path / "state", clock)
    name = own.keep("a_de.txt", b"text")
    assert re.fullmatch(r"[0-9a-f]{32}\.a_de\.txt", name)
    found = own.find(name)
    assert found is not None
    assert (found.path.read_bytes(), found.download_name) == (b"text", "a_de.txt")
    clock.now = 59.0
    assert own.find(name) is not None
    clock.now = 60.0
    assert own.find(name) is None
    assert files_in(tmp_path) == []


def test_the_oldest_go_first(tmp_path: Path) -> None:
    own = store(tmp_path, Clock(), files=2, size=10)
    names = [own.keep("a", b"1234"), own.keep("a", b"1234"), own.keep("a", b"1234")]
    assert [own.find(name) is None for name in names] == [True, False, False]
    large = own.keep("a", b"x" * 11)
    assert own.find(large) is not None
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a_de.txt"])
def test_only_names_that_it_gave_are_found(tmp_path: Path, name: str) -> None:
    own = store(tmp_path, Clock())
    own.keep("a_de.txt", b"text")
    assert own.find(name) is None


def test_closing_deletes_all(tmp_path: Path) -> None:
    own = store(tmp_path, Clock())
    name = own.keep("a", b"text")
    own.close()
    assert list(tmp_path.iterdir()) == []
    assert own.find(name) is None
    own.close()


def test_what_a_killed_server_left_is_deleted(tmp_path: Path) -> None:
    old, new = tmp_path / "translated-old", tmp_path / "translated-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").touch()
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    store(tmp_path, Clock()).open()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.txt", "report_de.txt"),
        ("C:\\files\\My report.DOCX", "My_report_de.docx"),
        ("../../etc/pass\r\nwd.po", "pass_wd_de.po"),
        ("보고서.srt", "보고서_de.srt"),
        ("x" * 300 + ".txt", "x" * 80 + "_de.txt"),
        ("...txt", "file_de.txt"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert translated_name(name, "de") == expected


def test_a_file_that_cant_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = store(tmp_path, Clock())

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:2])
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="no space left"):
            own.keep("a_de.txt", b"text")
    assert files_in(tmp_path) == []
