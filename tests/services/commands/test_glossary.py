"""Glossaries in files."""

from pathlib import Path

import pytest

from rondo_services.commands.glossary import read_glossary
from rondo_services.errors import InvalidInput

TERMS = {"station": "Haltestelle", "night train": "Nachtzug"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("g.tsv", "station\tHaltestelle\nnight train\tNachtzug"),
        ("g.txt", "\ufeff station \t Haltestelle \r\n\r\nnight train\tNachtzug\r\n"),
        ("g.json", '{"station": "Haltestelle", "night train": "Nachtzug"}'),
        ("g.JSON", '\ufeff{"station": "Haltestelle",\n"night train": "Nachtzug"}\n'),
    ],
)
def test_terms_are_read(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert read_glossary(path) == TERMS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("g.tsv", b"station\tHaltestelle\nnight train", "g.tsv, line 2: not a term, one tab and its translation"),
        ("g.tsv", b"a\tb\tc", "g.tsv, line 1: not a term"),
        ("g.tsv", b"\n\tb", "g.tsv, line 2: not a term"),
        ("g.tsv", b"a\t ", "g.tsv, line 1: not a term"),
        ("g.tsv", b"a\tb\n\na\tc", "g.tsv, line 3: 'a' has a translation in line 1"),
        ("g.tsv", b"a\tb\nc\t\xff", "g.tsv, line 2: byte 0xff is not UTF-8"),
        ("g.tsv", b"\n \n", "g.tsv: no term in it"),
        ("g.json", b"{}", "g.json: no term in it"),
        ("g.json", b'{"a": "b",\n x}', "g.json, line 2, column 2: no JSON"),
        ("g.json", b'["a"]', "g.json: not a JSON object"),
        ("g.json", b'{"a": 1}', "g.json: the translation of 'a' is no text"),
        ("g.json", b'{"a": "b", "a": "c"}', "g.json: 'a' has two translations"),
        ("g.json", b"[" * 100_000, "g.json: nested too deep"),
    ],
)
def test_what_is_no_glossary_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_glossary(path)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.tsv: No such file"):
        read_glossary(tmp_path / "none.tsv")
    with pytest.raises(InvalidInput, match="Is a directory"):
        read_glossary(tmp_path)
