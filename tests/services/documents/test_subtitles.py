"""SubRip: all but the text stays to the byte."""

import pytest

from rondo_services.documents.subtitles import even_lines, read_subtitles
from rondo_services.errors import InvalidInput

FILE = """\
7
00:00:01,000 --> 00:00:03,500 X1:10 X2:20
<i>We wanted to go
down to the river.</i>

8
00:00:04.5 --> 00:00:06,000
- Where are you?
- Here I am.

10
00:00:07,000 --> 00:00:08,000


11
00:00:09,000 --> 00:00:10,000
The end."""


def translated(data: bytes) -> bytes:
    document = read_subtitles(data)
    return document.written([passage.text.upper() for passage in document.passages])


def test_lines_of_one_sentence_are_a_passage_and_dialogue_is_not() -> None:
    assert [passage.text for passage in read_subtitles(FILE.encode()).passages] == [
        "<i>We wanted to go down to the river.</i>",
        "- Where are you?",
        "- Here I am.",
        "The end.",
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_numbers_times_and_positions_stay(line_end: str, mark: str) -> None:
    file = mark + FILE.replace("\n", line_end)
    expected = file
    for text in ("<i>We wanted to go", "down to the river.</i>", "- Where are you?", "- Here I am.", "The end."):
        expected = expected.replace(text, text.upper())
    assert translated(file.encode()) == expected.encode()


def test_nothing_changes_if_the_text_does_not() -> None:
    document = read_subtitles(FILE.encode())
    assert document.written([passage.text for passage in document.passages]).decode() == FILE


@pytest.mark.parametrize("file", ["No subtitles here.", "1\n00:00:01,000 -> 2\nText\n"])
def test_what_is_no_subrip_is_refused(file: str) -> None:
    with pytest.raises(InvalidInput, match="no SubRip"):
        read_subtitles(file.encode())


def test_an_empty_file_has_no_passages() -> None:
    assert translated(b"") == b""


@pytest.mark.parametrize(
    ("text", "count", "lines"),
    [
        ("one two three four", 2, ["one two", "three four"]),
        ("one two three four", 1, ["one two three four"]),
        ("antidisestablishmentarianism is long", 2, ["antidisestablishmentarianism", "is long"]),
        ("one", 3, ["one"]),
        ('<font color="red"> one </font> two', 3, ['<font color="red">', "one </font>", "two"]),
        ("", 2, [""]),
        ("a 10\u00a0km", 2, ["a", "10\u00a0km"]),
    ],
)
def test_even_lines(text: str, count: int, lines: list[str]) -> None:
    assert even_lines(text, count) == lines


@pytest.mark.parametrize("filling", [" " * 51 + "a", "\n", "1" * 17 + " "], ids=repr)
def test_what_would_take_the_parser_for_ever_is_refused(filling: str) -> None:
    """Its pattern is matched with the interpreter's lock held: the whole server would stand still."""
    with pytest.raises(InvalidInput, match="in a row"):
        read_subtitles((filling * 1_000_000)[:900_000].encode() + b"x")


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"at most 1000000 in a \.srt file"):
        read_subtitles(b"a " * 500_001)
