import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.jobs.inputs.conftest import Read

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs.tables import table_items
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput


def reasons(items: list[Item | BadItem]) -> list[str]:
    return [item.reason for item in items if isinstance(item, BadItem)]


def test_records_have_the_line_on_which_they_begin(read: Read) -> None:
    content = b'id,text,label\r\n\r\n1,"two\r\nlines",x\r\n\n2,"a ""b"", c",y\r\n3,,z'
    assert read(b"\xef\xbb\xbf" + content, "a.csv", expected="label", id="id") == [
        Item(0, 3, "two\r\nlines", ("x",), "1"),
        Item(1, 6, 'a "b", c', ("y",), "2"),
        Item(2, 7, "", ("z",), "3"),
    ]


def test_blank_lines_are_no_records_but_count(read: Read) -> None:
    assert read(b'text\n \na\n\t\r\n"  "\n""\n', "a.csv") == [Item(0, 3, "a"), Item(1, 5, "  "), Item(2, 6, "")]
    assert read(b"text,label\n  \na,x\n", "a.csv") == [Item(0, 3, "a")]
    assert read(b"text\tlabel\n\t\na\tx\n", "a.tsv") == [Item(0, 2, ""), Item(1, 3, "a")]


def test_tab_separated_fields(read: Read) -> None:
    assert read(b'text\tlabel\na, b\tx\n"c\td"\ty\n', "a.tsv") == [Item(0, 2, "a, b"), Item(1, 3, "c\td")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"b", "the number of fields is 1; 2 columns are named"),
        (b"b,c,d", "the number of fields is 3; 2 columns are named"),
        (b'"b" c,d', """',' expected after '"'; a field with quotes in it is put in quotes as a whole"""),
        (b"\xff,d", "byte 1 of the line (0xff) is not UTF-8"),
        (b'"b\nc\xfe",d', "line 4: byte 2 of the line (0xfe) is not UTF-8"),
        (b"b\rc,d", "there is a carriage return in the middle of the line"),
        (b"b," + b"x" * 1_000_001, "the line is longer than 1,000,000 bytes"),
        (b"b" * 200_001 + b",c", "the text has 200,001 characters"),
    ],
)
def test_a_bad_record_says_what_is_wrong_and_leaves_its_neighbours(line: bytes, reason: str, read: Read) -> None:
    items = read(b"text,label\na,x\n" + line + b"\nz,y\n", "a.csv")
    assert items[0] == Item(0, 2, "a")
    assert items[2:] == [Item(2, 4 + line.count(b"\n"), "z")]
    assert isinstance(items[1], BadItem)
    assert (items[1].index, items[1].line) == (1, 3)
    assert items[1].reason.startswith(reason)


def test_a_text_longer_than_the_library_s_own_limit_is_read(read: Read) -> None:
    assert read(b"text\n" + b"x" * 190_000, "a.csv") == [Item(0, 2, "x" * 190_000)]


def test_a_forgotten_quote_swallows_nothing(read: Read) -> None:
    """The reader alone takes all that follows, up to the next quote, for one field."""
    items = read(b'text,label\n"a,x\nb,y\nc,z\n', "a.csv")
    assert items[1:] == [Item(1, 3, "b"), Item(2, 4, "c")]
    assert reasons(items[:1])[0].startswith("a quote is opened that is not closed")

    items = read(b'text,label\n"a,x\nb,y\n"c",z\n', "a.csv")
    assert items[1:] == [Item(1, 3, "b"), Item(2, 4, "c")]


def test_a_forgotten_quote_before_very_much_is_found_soon() -> None:
    rows = 300_000
    content = b'text,label\n"a,x\n' + b"b,y\n" * rows + b'"c,x\n' + b"d,z\n" * rows
    num_items, bad = 0, []
    for item in table_items(iter(content.split(b"\n")), ",", JobInput(source="a.csv")):
        num_items += 1
        if isinstance(item, BadItem):
            bad.append(item)
    assert num_items == 2 * rows + 2
    assert [item.line for item in bad] == [2, rows + 3]
    assert bad[0].reason == "a quote is opened that is not closed within 1,000,000 bytes"


def test_quotes_that_are_nowhere_closed_take_linear_time(read: Read) -> None:
    """After each of 8,000 lines all that follow were read for its quote's end: twelve seconds for 40 kB."""
    began = time.process_time()
    with pytest.raises(InvalidInput, match=r"line [\d,]+: too many quotes are opened and not closed"):
        read(b"text\n" + b'a","\n' * 100_000, "a.csv")
    assert time.process_time() - began < 20


def test_a_forgotten_quote_before_a_line_that_is_too_long(read: Read) -> None:
    items = read(b'text,label\n"a,x\nb,y\n' + b"x" * 1_000_001 + b"\nc,z\n", "a.csv")
    assert [items[1], items[3]] == [Item(1, 3, "b"), Item(3, 5, "c")]
    assert reasons(items) == [
        "a quote is opened that is not closed before line 4; the line is longer than 1,000,000 bytes there",
        "the line is longer than 1,000,000 bytes",
    ]


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2)))
def test_what_the_library_writes_is_read(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "label"], *rows])
    lines = iter(file.getvalue().encode().split(b"\n"))
    items = list(table_items(lines, ",", JobInput(source="a.csv", expected="label")))
    found = [(item.text, item.expected) for item in items if isinstance(item, Item)]
    assert found == [(text, (label,) if label.strip() else ()) for text, label in rows]


@given(st.lists(st.text('a",\n', max_size=12)))
def test_any_quotes_and_commas(parts: list[str]) -> None:
    """Whatever the library reads is read the same; else each line is seen, and none twice as the begin of a record."""
    content = "text,label\n" + "\n".join(parts)
    items = list(table_items(iter(content.encode().split(b"\n")), ",", JobInput(source="a.csv", expected="label")))
    assert [item.index for item in items] == list(range(len(items)))
    numbers = [item.line for item in items]
    assert numbers == sorted(set(numbers))
    try:
        rows = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row][1:]
    except csv.Error:
        assert reasons(items)
    else:
        read_rows = [[i.text, *i.expected] if isinstance(i, Item) else None for i in items]
        assert read_rows == [[row[0], *filter(str.strip, row[1:])] if len(row) == 2 else None for row in rows]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv, line 1: the file is empty; the first line has to name the columns"),
        (b'text,"label\nx,y\n', "a.csv, line 1: a quote is opened that is not closed"),
        (b"te\xffxt,label\n", "a.csv, line 1: byte 3 of the line"),
        (b"review;label\n", "a.csv: there is no column 'text'; the columns are: 'review;label'"),
    ],
)
def test_a_table_needs_a_header_with_its_columns(content: bytes, message: str, read: Read) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(content, "a.csv")
    assert caught.value.message.startswith(message)
