import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rondo_services.evaluation.pages import render_markdown
from rondo_services.evaluation.pages.markdown import block, escaped, table


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def cells(tokens: list[Token]) -> list[list[list[str]]]:
    """The words of tables, by table, row and cell."""
    tables: list[list[list[str]]] = []
    for before, token in pairwise(tokens):
        if before.type == "table_open":
            tables.append([])
        if before.type == "tr_open":
            tables[-1].append([])
        if before.type in ("th_open", "td_open"):
            tables[-1][-1].append(words(token))
    return tables


def words(token: Token) -> str:
    """What a reader sees, and how line breaks look."""
    children = token.children or []
    return "".join("\n" if child.content == "<br>" else child.content for child in children)


def kinds(tokens: list[Token]) -> set[str]:
    inner = [child for token in tokens for child in token.children or []]
    return {token.type for token in [*tokens, *inner] if token.content != "<br>"}


def test_every_sample_has_whole_tables_and_no_markup_of_users(any_report: dict[str, Any]) -> None:
    page = render_markdown(any_report)
    tokens = parsed(page)
    for rows in cells(tokens):
        assert len({len(row) for row in rows}) == 1
    assert page.count("\n| ") == sum(map(len, cells(tokens))) + len(cells(tokens))  # with a line for each alignment
    assert not kinds(tokens) & {"html_inline", "html_block", "link_open", "code_inline", "image", "em_open"}
    assert not re.search(r"\b(None|nan)\b", page)
    assert page.encode()


@pytest.mark.parametrize(
    "text",
    [
        "a | b",
        r"a \| b \\| c \\\| d",
        "`a | b` ``",
        "*a* _b_ **c** ~~d~~ [e](f) ![g](h) <i>j</i> &amp; $k$",
        "first\nsecond",
        "# no heading",
        "1. no list",
        "- no list",
        "한국어 👩‍👩‍👧‍👦",
        "",
    ],
)
def test_cells_hold_what_was_put_in(text: str) -> None:
    found = cells(parsed(table(("name", text), [(text, "1"), ("x", text)])))
    assert found == [[["name", text], [text, "1"], ["x", text]]]


@pytest.mark.parametrize("text", ["# a", "1. a", "- a", "+ a", "=", "> a", "| a |", "* a"])
def test_words_at_the_beginning_of_a_line_stay_words(text: str) -> None:
    tokens = parsed(escaped(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert words(tokens[1]) == text


@pytest.mark.parametrize("text", ["0.3 s", "1.5", "2)b"])
def test_numbers_stay_legible(text: str) -> None:
    """The page was full of 0\\.3 s."""
    assert escaped(text) == text


def test_nobody_is_called_and_nothing_becomes_a_link() -> None:
    text = escaped("@you #12 https://a.example www.a.example me@a.example")
    assert not re.search(r"@\w|#\d|://|www\.", text)
    assert text.replace("\u2060", "") == "@you #12 https://a.example www.a.example me@a.example"


def test_a_block_ends_only_where_its_text_does() -> None:
    text = "a\n```\n````\n# b"
    (token,) = parsed(block(text))
    assert token.type == "fence"
    assert token.content == f"{text}\n"


def test_the_figures_are_those_of_the_report(sample: Callable[[str], dict[str, Any]]) -> None:
    tables = cells(parsed(render_markdown(sample("translation"))))
    assert ["BLEU", "n-grams shared with the references, over the whole corpus", "44.7", "40.6–48.3"] in tables[1]
    assert tables[2] == [
        ["", "BLEU", "chrF"],
        ["tiny 0.1.0", "44.7", "59.6"],
        ["dictionary", "17.2", "38.0"],
        ["copy", "4.1", ""],
    ]
    assert ["6–10 words", "50", "35.8", "16.0–52.3"] in tables[4]


def test_worst_examples_are_differences(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_markdown(sample("translation"))
    assert "```diff\n  Take us there.\n- Nimm uns mit.\n- Bring uns hin.\n+ Bring mich hin!\n```" in page


def test_texts_that_were_only_scored_have_no_answer(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_markdown(sample("perplexity"))
    assert "line 4, nats per word 11.5\n\n```diff\n  Aether anon\n```" in page
    assert "what was answered" not in page


def test_intervals_are_explained_where_there_are_some(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("translation")
    assert "Intervals: 95\u202f%, percentile bootstrap, 1,000 resamples, seed 1." in render_markdown(report)
    assert "Intervals:" not in render_markdown({**report, "intervals": {}})


def test_calibration_confusion_and_attention_are_tables(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_markdown(sample("sentiment"))
    tables = cells(parsed(page))
    assert ["negative", "130", "20", "86.7\u202f%"] in tables[2]
    assert ["60.0\u202f%", "50.0\u202f%", "100"] in tables[3]
    assert "Expected calibration error: 3.4 points." in page
    assert ["▁uns", "▁us", "0.80"] in cells(parsed(render_markdown(sample("translation"))))[5]
