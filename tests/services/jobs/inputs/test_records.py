import re
from typing import Any

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs.records import Columns, columns_of, item_of
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput
from rondo_services.schema import LONGEST_TEXT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("positive", ("positive",)),
        (["one", "two"], ("one", "two")),
        (3, ("3",)),
        (0.5, ("0.5",)),
        (True, ("true",)),
        (b"positive", ("positive",)),
        (None, ()),
        ([], ()),
        ("", ()),
        (" ", ()),
        (["", "one"], ("one",)),
    ],
)
def test_what_may_be_expected(value: Any, expected: tuple[str, ...]) -> None:
    """What is empty is not known: an empty cell was the right answer, and null made a record bad."""
    assert item_of(0, 1, "text", ("label", value)) == Item(0, 1, "text", expected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "'label' is an object; it has to be a string, number, boolean or list of strings"),
        ("x" * (LONGEST_TEXT + 1), "'label' has 200,001 characters; at most 200,000 are taken"),
        (["x" * LONGEST_TEXT, "y"], "'label' has 200,001 characters"),
        (["a", 1], "'label' is a list that holds more than strings"),
        (["a", "\ud800"], "'label' has half of a surrogate pair"),
        (float("nan"), "'label' is nan"),
        (b"\xff", r"'label' has a byte \(0xff\) that is not UTF-8"),
    ],
)
def test_what_may_not_be_expected(value: Any, reason: str) -> None:
    assert re.match(reason, reason_of(item_of(4, 9, "text", ("label", value))))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the text is null; it has to be a string"),
        (3, "the text is a number; it has to be a string"),
        (["a"], "the text is a list; it has to be a string"),
        ("ab\udc00", r"the text has half of a surrogate pair \(U\+DC00\) as character 3"),
        (b"ab\xff", r"byte 3 of the text \(0xff\) is not UTF-8"),
        ("x" * (LONGEST_TEXT + 1), "the text has 200,001 characters; at most 200,000 are taken"),
    ],
)
def test_texts_that_are_none(value: Any, reason: str) -> None:
    assert re.match(reason, reason_of(item_of(4, 9, value)))


def test_texts_that_are_some() -> None:
    for text in ("", "x" * LONGEST_TEXT, "안녕 \0 😀"):
        assert item_of(0, 1, text) == Item(0, 1, text)


def test_names_are_strings_or_whole_numbers() -> None:
    assert item_of(0, 1, "a", None, ("id", "x1")) == Item(0, 1, "a", id="x1")
    assert item_of(0, 1, "a", None, ("id", 10**30)) == Item(0, 1, "a", id=10**30)
    wrong: list[object] = [None, 1.5, True, []]
    assert "'id' has 200,001 characters" in reason_of(item_of(0, 1, "a", None, ("id", "x" * (LONGEST_TEXT + 1))))
    for value in wrong:
        assert "it has to be a string or a whole number" in reason_of(item_of(0, 1, "a", None, ("id", value)))


def reason_of(item: Item | BadItem) -> str:
    assert isinstance(item, BadItem), item
    return item.reason


def test_a_table_without_a_text_column_may_have_one_of_three_others() -> None:
    def found(*names: str) -> str:
        return columns_of(JobInput(source="a.csv"), names).text

    assert [found("id", name) for name in ("source", "prompt", "document")] == ["source", "prompt", "document"]
    assert found("source", "text") == "text"
    with pytest.raises(InvalidInput, match=r"no column 'text'; the columns are: 'source', 'prompt'"):
        found("source", "prompt")
    with pytest.raises(InvalidInput, match=r"no column 'review'; the columns are: 'source'"):
        columns_of(JobInput(source="a.csv", text="review"), ["source"])


def test_every_column_that_is_asked_for_has_to_be_there_once() -> None:
    spec = JobInput(source="a.csv", text="review", expected="label", id="key")
    assert columns_of(spec, ["key", "label", "review"]) == Columns("review", "label", "key")
    with pytest.raises(InvalidInput, match="no column 'label'") as caught:
        columns_of(spec, ["key", "review"])
    assert caught.value.field == "input.expected"
    with pytest.raises(InvalidInput, match="two columns 'key'"):
        columns_of(spec, ["key", "key", "label", "review"])
