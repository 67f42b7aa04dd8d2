import csv
import gzip
import io
import json
import lzma
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from tests.services.jobs.inputs.conftest import Read

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs import decompression, open_input, open_lines
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput

Rows = list[dict[str, str]]


def as_jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=len(row["text"]) % 2 == 0) + "\n" for row in rows).encode()


def as_table(rows: Rows, dialect: str) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["key", "text", "label"], dialect=dialect)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("key", "text", "label")])
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), file, row_group_size=2)
    return file.getvalue()


FORMATS: dict[str, Callable[[Rows], bytes]] = {
    ".jsonl": as_jsonl,
    ".csv": lambda rows: as_table(rows, "excel"),
    ".tsv": lambda rows: as_table(rows, "excel-tab"),
    ".parquet": as_parquet,
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstandard.compress,
}
texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    rows=st.lists(st.fixed_dictionaries({"key": texts, "text": texts, "label": texts}), max_size=6),
    ending=st.sampled_from(list(FORMATS)),
    packing=st.sampled_from(list(COMPRESSIONS)),
)
def test_what_was_written_comes_back(rows: Rows, ending: str, packing: str, read: Read) -> None:
    content = COMPRESSIONS[packing](FORMATS[ending](rows))
    items = read(content, f"a{ending}{packing}", expected="label", id="key")
    assert [item.index for item in items] == list(range(len(rows)))
    found = [(item.id, item.text, item.expected) for item in items if isinstance(item, Item)]
    assert found == [(row["key"], row["text"], tuple(filter(str.strip, [row["label"]]))) for row in rows]


@pytest.mark.parametrize("packing", [".gz", ".xz", ".zst"])
def test_what_comes_before_a_break_is_read(packing: str) -> None:
    pack = COMPRESSIONS[packing]
    content = pack(b"one\ntwo\nthr") + pack(b"ee\n" * 100)[:-6]
    items = open_input(JobInput(source=f"a.txt{packing}"), open_file=lambda _: io.BytesIO(content))
    assert [next(items), next(items)] == [Item(0, 1, "one"), Item(1, 2, "two")]
    with pytest.raises(InvalidInput, match=rf"^a\.txt{packing}, after line \d+: the \w+ data end too early"):
        list(items)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.xz", "a.parquet.zst"])
def test_broken_compression_is_told_before_anything_is_read(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}: the .* data are damaged, or none at all"):
        open_input(JobInput(source=name), open_file=lambda _: io.BytesIO(b"no such data"))


@pytest.mark.parametrize("source", ["missing.csv", "missing.txt", "missing.parquet"])
def test_a_missing_file_is_told_before_anything_is_read(source: str) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        open_input(JobInput(source=source))


def test_a_file_is_closed_at_the_end_and_when_reading_is_given_up(tmp_path: Path) -> None:
    files: list[BinaryIO] = []

    def open_file(source: str) -> BinaryIO:
        files.append(io.BytesIO(b"text\na\nb\n"))
        return files[-1]

    def spec(limit: int) -> JobInput:
        return JobInput(source="a.csv", limit=limit)

    assert len(list(open_input(spec(0), open_file=open_file))) == 2
    assert list(open_input(spec(1), open_file=open_file)) == [Item(0, 2, "a")]
    with pytest.raises(InvalidInput):
        open_input(JobInput(source="a.csv", text="review"), open_file=open_file)
    assert [file.closed for file in files] == [True, True, True]


def test_standard_input_stays_open() -> None:
    stream = io.BytesIO(gzip.compress(b"text,label\na,x\n"))
    items = open_input(JobInput(source="-", format="csv", expected="label"), stream=stream)
    assert list(items) == [Item(0, 2, "a", ("x",))]
    assert not stream.closed
    with pytest.raises(InvalidInput, match="standard input: there is no column 'text'"):
        open_input(JobInput(source="-", format="csv"), stream=io.BytesIO(b"a,b\n"))
    with pytest.raises(InvalidInput, match="there is no standard input here"):
        open_input(JobInput(source="-", format="csv"))
    with pytest.raises(InvalidInput, match="tell its format"):
        open_input(JobInput(source="-"), stream=stream)


def test_parquet_through_a_pipe() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stream = Pipe(as_parquet([{"key": "1", "text": "a", "label": "x"}]))
    assert list(open_input(JobInput(source="-", format="parquet"), stream=stream)) == [Item(0, 1, "a")]


def test_what_unpacks_to_very_much_is_no_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small upload could fill the disk."""
    monkeypatch.setattr(decompression, "_ALWAYS_TAKEN", 1 << 16)
    rows = [{"key": "1", "text": "a", "label": "x"}]
    items = open_input(
        JobInput(source="a.parquet.gz"), open_file=lambda _: io.BytesIO(gzip.compress(as_parquet(rows * 10_000)))
    )
    assert sum(1 for _ in items) == 10_000
    bomb = gzip.compress(bytes(20_000_000))
    with pytest.raises(InvalidInput, match=r"^a\.parquet\.gz: it unpacks to more than 100 times its size"):
        open_input(JobInput(source="a.parquet.gz"), open_file=lambda _: io.BytesIO(bomb))


@pytest.mark.parametrize("told", [{"text": "review"}, {"expected": "label"}, {"id": "key"}, {"direction": "backward"}])
def test_nothing_that_is_told_is_ignored(told: dict[str, Any], read: Read) -> None:
    with pytest.raises(InvalidInput, match=r"plain text has no columns|only named data sets"):
        read(b"a\n", "a.txt", **told)


@pytest.mark.parametrize("ending", ["txt.gz", "txt.zst"])
def test_what_unpacks_to_very_much_is_refused(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "_ALWAYS_TAKEN", 1 << 16)
    text = (b"a" * 1000 + b"\n") * 2000
    content = gzip.compress(text, 9) if ending == "txt.gz" else zstandard.compress(text, 3)
    with pytest.raises(InvalidInput, match="it unpacks to more than 100 times its size"):
        deque(open_input(JobInput(source=f"a.{ending}"), open_file=lambda source: io.BytesIO(content)), maxlen=0)


def test_the_limit_counts_bad_records_too(read: Read) -> None:
    assert [type(item) for item in read(b'{}\n{"text": "a"}\n{}\n', "a.jsonl", limit=2)] == [BadItem, Item]


def test_lines_as_they_are() -> None:
    content = gzip.compress(b'{"custom_id": 1}\r\n\nno JSON, \xff\n' + b"x" * 500_000 + b"\nlast")
    lines = open_lines(JobInput(source="file-1"), open_file=lambda _: io.BytesIO(content))
    assert list(lines) == [
        Item(0, 1, '{"custom_id": 1}'),
        BadItem(1, 3, "byte 10 of the line (0xff) is not UTF-8"),
        Item(2, 4, "x" * 500_000),
        Item(3, 5, "last"),
    ]
    lines = open_lines(JobInput(source="a.txt", limit=1), open_file=lambda _: io.BytesIO(b"a\nb\n"))
    assert list(lines) == [Item(0, 1, "a")]
