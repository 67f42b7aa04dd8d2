import gzip
import lzma
from pathlib import Path

import pytest

from rondo_services.datasets.files import ENVIRONMENT_VARIABLE, DataMissing, data_root, lines, open_text

TEXT = "first\r\nsecond\rand\u2028still second\x85\n\nlast 한글"
LINES = ["first", "second\rand\u2028still second\x85", "", "last 한글"]


def test_plain_and_compressed_files_have_the_same_lines(tmp_path: Path) -> None:
    content = TEXT.encode()
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content))
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(content))
    for name in ("a.txt", "a.txt.gz", "a.txt.xz"):
        assert list(lines(tmp_path / name)) == LINES, name


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.xz"
    path.write_bytes(lzma.compress("\ufeffid\ttext\n".encode()))
    assert list(lines(path)) == ["id\ttext"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.xz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "set" / name
    with pytest.raises(DataMissing, match="is missing") as caught:
        open_text(path)
    assert str(path) in str(caught.value)


def test_the_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert data_root() == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_root_says_what_to_set(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, value)
    with pytest.raises(DataMissing, match="set RONDO_DATA"):
        data_root()


def test_a_root_that_is_no_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(DataMissing, match=r"nowhere is no folder"):
        data_root()
