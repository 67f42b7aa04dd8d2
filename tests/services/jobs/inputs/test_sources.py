import os
from pathlib import Path
from typing import BinaryIO

import fsspec
import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs import identity_of
from rondo_services.jobs.inputs.sources import local_path, opened
from rondo_services.jobs.spec import JobInput


def identity(source: str | Path, root: Path | None = None) -> str:
    return identity_of(JobInput(source=str(source)), root=root)


def test_paths_and_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b.txt").write_bytes(b"text")
    fsspec.filesystem("memory").pipe("/inputs/a.txt", b"in memory")
    monkeypatch.chdir(tmp_path)
    for source, content in [
        (str(tmp_path / "a b.txt"), b"text"),
        ("a b.txt", b"text"),
        (f"file://{tmp_path}/a b.txt", b"text"),
        ("memory://inputs/a.txt", b"in memory"),
    ]:
        with opened(source, None) as file:
            assert file.read() == content


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.txt", "^missing.txt: no such file$"),
        (".", r"^\.: is a folder; name a file$"),
        ("memory://inputs/none.txt", "^memory://inputs/none.txt: there is no such file, or no way to it$"),
        ("nothing://a.txt", "nothing://a.txt: Protocol not known: nothing"),
    ],
)
def test_what_can_not_be_opened(source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=message) as caught:
        opened(source, None)
    assert caught.value.field == "input.source"


def test_errors_of_another_opener_are_told_too() -> None:
    def unknown(source: str) -> BinaryIO:
        raise InvalidInput(f"there is no file {source}", field="input.source")

    with pytest.raises(InvalidInput, match=r"^there is no file file-1$"):
        opened("file-1", unknown)


def test_the_identity_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    first = identity(path)
    assert first
    assert identity(path) == first

    path.write_text("one more")
    longer = identity(path)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 5_000_000))
    assert len({first, longer, identity(path)}) == 3


def test_a_file_of_other_permissions_is_the_same(tmp_path: Path) -> None:
    """What counted besides was when the file's entry had changed."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    first, status = identity(path), path.stat()
    while path.stat().st_ctime_ns == status.st_ctime_ns:
        path.chmod(0o600)
    assert identity(path) == first


def test_only_files_of_this_machine_have_a_path_here(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert local_path(str(path)) == local_path(f"file://{path}") == path
    assert [local_path(source) for source in ("-", "data:nsmc/test", "memory://a.txt", "nothing://a.txt")] == [None] * 4


def test_the_identity_of_a_url_is_that_of_its_content() -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/inputs/b.txt", b"one")
    first = identity("memory://inputs/b.txt")
    files.pipe("/inputs/b.txt", b"one more")
    assert identity("memory://inputs/b.txt") != first


def test_the_identity_of_a_data_set_is_that_of_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nsmc").mkdir()
    (tmp_path / "nsmc" / "a").write_text("one")
    first = identity("data:nsmc/test", tmp_path)
    monkeypatch.setenv("RONDO_DATA", str(tmp_path))
    assert identity("data:nsmc/test") == first
    (tmp_path / "nsmc" / "b").write_text("")
    assert identity("data:nsmc/test") != first
    monkeypatch.delenv("RONDO_DATA")
    with pytest.raises(InvalidInput, match="set RONDO_DATA"):
        identity("data:nsmc/test")


def test_a_pipe_has_no_identity_and_an_upload_only_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert identity("-") == ""
    assert identity("file-0123") == "file-0123"
    with pytest.raises(InvalidInput, match="no such file"):
        identity("missing.txt")
