import builtins
import io
from collections.abc import Callable
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from tests.services.jobs.inputs.conftest import Read

from rondo_services.errors import InvalidInput
from rondo_services.jobs.items import BadItem, Item


def written(columns: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns), out, **options)
    return out.getvalue()


def test_the_named_columns_of_each_row(read: Read) -> None:
    rows = 5000
    columns = {
        "other": [0.5] * rows,
        "source": [f"text {row}" for row in range(rows)],
        "references": [[f"a {row}", f"b {row}"] for row in range(rows)],
        "key": list(range(rows)),
    }
    content = written(columns, row_group_size=700)
    assert read(content, "a.parquet", expected="references", id="key") == [
        Item(row, row + 1, f"text {row}", (f"a {row}", f"b {row}"), row) for row in range(rows)
    ]
    assert len(read(content, "a.parquet", limit=1500)) == 1500


@pytest.mark.parametrize(
    "kind",
    [
        pyarrow.string(),
        pyarrow.large_string(),
        pyarrow.binary(),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    ],
)
def test_every_type_that_holds_text(kind: Any, read: Read) -> None:
    array = pyarrow.array(["가", "b", None]).cast(kind)
    assert read(written({"text": array}), "a.parquet") == [
        Item(0, 1, "가"),
        Item(1, 2, "b"),
        BadItem(2, 3, "the text is null; it has to be a string"),
    ]


def test_a_string_that_is_no_utf_8_leaves_its_neighbours(read: Read) -> None:
    raw = pyarrow.array([b"a", b"b\xff", b"c"], pyarrow.binary())
    broken = pyarrow.Array.from_buffers(pyarrow.string(), 3, raw.buffers())
    assert read(written({"text": broken}), "a.parquet") == [
        Item(0, 1, "a"),
        BadItem(1, 2, "byte 2 of the text (0xff) is not UTF-8"),
        Item(2, 3, "c"),
    ]


@pytest.mark.parametrize("name", ["a.parquet", "a.b"])
def test_names_of_columns_are_taken_as_they_are(name: str, read: Read) -> None:
    columns = {name: ["x"], "a": [{"b": "y"}]}
    assert read(written(columns), "a.parquet", text=name) == [Item(0, 1, "x")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"text", "a.parquet: no Parquet file"),
        (lambda: written({"n": [1]}), "a.parquet: there is no column 'text'; the columns are: 'n'"),
        (lambda: written({"text": [1]}), "a.parquet: the column 'text' holds int64, not strings"),
        (
            lambda: written(pyarrow.table([["a"], ["b"]], names=["text", "text"])),
            "a.parquet: there are two columns 'text'",
        ),
    ],
)
def test_what_can_not_be_read(make: Callable[[], bytes], message: str, read: Read) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(make(), "a.parquet")
    assert caught.value.message.startswith(message)


def test_a_row_group_that_unpacks_to_very_much_is_not_read(read: Read) -> None:
    content = written({"text": ["\n" * 100_000_000], "other": ["a"]}, compression="zstd")
    with pytest.raises(InvalidInput, match="row group 1 unpacks to more than 100 times its size"):
        read(content, "a.parquet")
    assert read(content, "a.parquet", text="other") == [Item(0, 1, "a")]


def test_dates_that_python_lacks_are_told(read: Read) -> None:
    far = pyarrow.array([0, 2**58], pyarrow.timestamp("us"))
    with pytest.raises(InvalidInput, match="after row 0: date value out of range"):
        read(written({"text": ["a", "b"], "at": far}), "a.parquet", id="at")


def test_damage_is_found_after_what_comes_before_it(read: Read) -> None:
    content = bytearray(written({"text": [f"text {row}" for row in range(2048)]}, row_group_size=1024))
    start = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(0).dictionary_page_offset
    content[start : start + 200] = bytes(200)
    with pytest.raises(InvalidInput, match=r"^a\.parquet, after row 1,024: "):
        read(bytes(content), "a.parquet")


def test_without_the_library_it_is_said_how_to_install_it(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    content, real = written({"text": ["a"]}), builtins.__import__

    def refuse(name: str, *others: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InvalidInput, match=r"pip install 'rondo-nlp\[parquet\]'"):
        read(content, "a.parquet")
