"""Plain text: encodings, and how it is cut."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo_services.documents.document import LONGEST_PASSAGE
from rondo_services.documents.plain import MOST_LINES, read_plain_text
from rondo_services.errors import InvalidInput

TEXT = "  One line.\r\n\r\n\tAnd another; grüß dich, 안녕.\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        b"",
    ],
)
def test_an_encoding_is_kept(data: bytes) -> None:
    document = read_plain_text(data)
    assert document.written([passage.text for passage in document.passages]) == data


@pytest.mark.parametrize(
    "data", ["grüß dich".encode("latin-1"), "한국어".encode("cp949"), "a".encode("utf-32"), "Ab".encode("utf-16-le")]
)
def test_another_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="save it as UTF-8"):
        read_plain_text(data)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab .\n\r\t\u2028안`-|"), max_size=50), st.integers(1, 800))
def test_the_passages_and_what_is_between_them_are_the_text(text: str, repeats: int) -> None:
    document = read_plain_text((text * repeats).encode())
    assert document.written([passage.text for passage in document.passages]).decode() == text * repeats
    assert all(0 < len(passage.text) <= LONGEST_PASSAGE for passage in document.passages)


def test_code_between_fences_is_no_passage() -> None:
    """Even if it is longer than a passage: cut in two, the second half would be text."""
    code = "```\n" + "print(answer)\n" * 200 + "```\n"
    document = read_plain_text(f"Some text.\n\n{code}More text.\n".encode())
    assert [passage.text for passage in document.passages] == ["Some text.\n", "More text.\n"]
    assert document.written(["A\n", "B\n"]).decode() == f"A\n\n{code}B\n"


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("The apple | 3 € | It is red.", ["The apple", "3 €", "It is red."]),
        ("| The apple | It is red. |", ["The apple", "It is red."]),
        ("The apple |", ["The apple"]),
        ("| The apple", ["The apple"]),
        ("The apple \\| pear\t | `a|b` is red.", [r"The apple \| pear", "`a|b` is red."]),
    ],
)
@pytest.mark.parametrize("rows", [1, 200])
def test_the_cells_of_a_table_are_passages(row: str, cells: list[str], rows: int) -> None:
    """The rows were translated without that of the dashes, and lost bars that are not around them."""
    file = "Fruit:\nName | Note\n--- | ---\n" + f"{row}\n" * rows + "\nThe end.\n"
    document = read_plain_text(file.encode())
    texts = [passage.text for passage in document.passages]
    assert texts == ["Fruit:\n", "Name", "Note", *cells * rows, "The end.\n"]
    assert document.written([text.upper() for text in texts]).decode() == file.upper()


def test_a_long_cell_is_cut() -> None:
    document = read_plain_text(f"| {'a' * LONGEST_PASSAGE}b | c |\n".encode())
    assert [passage.text for passage in document.passages] == ["a" * LONGEST_PASSAGE, "b", "c"]


def test_a_long_line_is_cut_between_sentences() -> None:
    document = read_plain_text(b"This is a sentence. " * 500)
    assert len(document.passages) > 5
    assert all(passage.text.endswith("sentence. ") for passage in document.passages)


def test_a_line_is_not_cut_otherwise() -> None:
    document = read_plain_text(b"A line of text\n" * 500)
    assert all(passage.text.endswith("\n") for passage in document.passages)


@pytest.mark.parametrize("between", ["\n", "\t", "|"])
def test_a_file_with_too_many_lines_is_refused(between: str) -> None:
    with pytest.raises(InvalidInput, match="400001 line breaks, tabs and bars; at most 400000"):
        read_plain_text(("a" + between).encode() * (MOST_LINES + 1))
