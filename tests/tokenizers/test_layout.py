"""Lines are taken apart without loss, and markers are told from what a line says."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.layout import split_lines


@given(st.text(alphabet="ab1.)(-*>#|: \t\n\r\u2028\u0085`~[]x한\\"))
def test_lines_joined_are_the_text(text: str) -> None:
    assert "".join(line.before + line.body + line.after for line in split_lines(text)) == text


@given(st.text(alphabet="ab \n\r\u2028"))
def test_a_body_is_one_line_without_white_space_around_it(text: str) -> None:
    for line in split_lines(text):
        assert line.body == line.body.strip()
        assert len(line.body.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "before", "body"),
    [
        ("  - an item", "  - ", "an item"),
        ("* [x] done", "* [x] ", "done"),
        ("12. twelfth", "12. ", "twelfth"),
        ("a) first", "a) ", "first"),
        ("## A title", "## ", "A title"),
        ("> > quoted", "> > ", "quoted"),
        ("> - both", "> - ", "both"),
        ("\tindented  ", "\t", "indented"),
        ("1️⃣ first", "1️⃣ ", "first"),
        ("| a note beside a bar", "| ", "a note beside a bar"),
        ("|x| is a number", "", "|x| is a number"),
        ("cat a | grep b", "", "cat a | grep b"),
        ("-5 degrees", "", "-5 degrees"),
        ("3.5 of them", "", "3.5 of them"),
        ("#tag", "", "#tag"),
        ("1.", "", "1."),
    ],
)
def test_markers(text: str, before: str, body: str) -> None:
    (line,) = split_lines(text)
    assert (line.before, line.body) == (before, body)


@pytest.mark.parametrize("text", ["---", "* * *", "   ", "***\t", "…"])
def test_a_line_that_says_nothing_has_no_body(text: str) -> None:
    (line,) = split_lines(text)
    assert (line.before + line.body + line.after, line.body) == (text, "")


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("| Name | Age |\n|---|--:|\n| Tom | 5 |", ["Name", "Age", "Tom", "5"]),
        ("Name | Age\n--- | ---\nTom | 5\n\nIt | is", ["Name", "Age", "Tom", "5", "It | is"]),
        ("|Name||Age|  \n", ["Name", "Age"]),
        ("> | Name | Age |\n> | --- | --- |\n> | - Tom | 5 |", ["Name", "Age", "Tom", "5"]),
        ("| `a|b` | a \\| b |", ["`a|b`", "a \\| b"]),
        ("```\n| a | b |\n```", []),
    ],
)
def test_cells_of_a_table_are_apart(text: str, bodies: list[str]) -> None:
    """A row was a sentence, of which the model left out bars and cells."""
    lines = split_lines(text)
    assert "".join(line.before + line.body + line.after for line in lines) == text
    assert [line.body for line in lines if line.body] == bodies


def test_code_between_fences_has_no_body() -> None:
    lines = split_lines("Look:\n```python\nprint(1)\n```\nDone.")
    assert [line.body for line in lines] == ["Look:", "", "", "", "Done."]


def test_tildes_are_a_fence_only_around_something() -> None:
    lines = split_lines("Look:\n~~~ python\nprint(1)\n~~~~\nDone.\n~~~\nThe end.")
    assert [line.body for line in lines] == ["Look:", "", "", "", "Done.", "", "The end."]


def test_rows_of_tildes_are_rules() -> None:
    lines = split_lines("One\n~~~~\nThe station is closed.\n\nTwo\n~~~~\nThe train is late.\n")
    assert [line.body for line in lines if line.body] == ["One", "The station is closed.", "Two", "The train is late."]


@pytest.mark.parametrize("gap", [" ", "\u00a0", "> ", "- ", "~~~ ", "|", "| ", "`|", "`", "\\", "-|"])
def test_long_runs_take_linear_time(gap: str) -> None:
    began = time.perf_counter()
    split_lines("Name:" + gap * 100_000 + "Value")
    assert time.perf_counter() - began < 5  # with the square of the length it would be minutes
