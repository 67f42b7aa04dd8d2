import json
import re

import pytest
from tests.services.jobs.inputs.conftest import Read

from rondo_services.jobs.items import BadItem, Item


def test_blank_lines_are_no_records_but_count(read: Read) -> None:
    content = b'\xef\xbb\xbf\n{"text": "a"}\r\n \t\r\n\n{"text": "b"}'
    assert read(content, "a.jsonl") == [Item(0, 2, "a"), Item(1, 5, "b")]
    assert read(b"\none\r\n\xe3\x80\x80\n two \n", "a.txt") == [Item(0, 2, "one"), Item(1, 4, " two ")]


def test_keys_are_the_columns(read: Read) -> None:
    line = json.dumps({"review": "gut", "stars": 5, "key": "r1", "more": {}}).encode()
    assert read(line, "a.jsonl", text="review", expected="stars", id="key") == [Item(0, 1, "gut", ("5",), "r1")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a\xff"}', r"byte 12 of the line \(0xff\) is not UTF-8"),
        (b'{"text": "a"', r"broken JSON at character 13: Expecting ',' delimiter"),
        (b'{"text": "a"} {}', "broken JSON at character 15: Extra data"),
        (b'{"text": NaN}', "broken JSON: NaN is no JSON"),
        (b'{"n": %s}' % (b"1" * 5000), "broken JSON: Exceeds the limit"),
        (b"[" * 100_000, "the JSON is nested too deep"),
        (b'["text"]', 'the line is a list; it has to be a JSON object such as {"text": "…"}'),
        (b'{"body": "a", "n": 1}', "there is no key 'text'; the keys are: 'body', 'n'"),
        (b"{}", "there is no key 'text'; the keys are: none"),
        (b'{"text": null}', "the text is null"),
        (rb'{"text": "a\ud800"}', r"the text has half of a surrogate pair \(U\+D800\)"),
        (b'{"text": "a"}'.ljust(1_000_001), "the line is longer than 1,000,000 bytes"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_leaves_its_neighbours(line: bytes, reason: str, read: Read) -> None:
    before, bad, after = read(b'{"text": "a"}\n\n' + line + b'\n{"text": "b"}\n', "a.jsonl")
    assert (before, after) == (Item(0, 1, "a"), Item(2, 4, "b"))
    assert isinstance(bad, BadItem)
    assert (bad.index, bad.line) == (1, 3)
    assert re.match(reason, bad.reason), bad.reason


def test_keys_that_were_asked_for_have_to_be_there(read: Read) -> None:
    line = b'{"text": "a", "label": "x"}'
    assert read(line, "a.jsonl", expected="right") == [Item(0, 1, "a")]  # not known, as null and an empty list are
    assert read(line, "a.jsonl", id="key") == [BadItem(0, 1, "there is no key 'key'; the keys are: 'text', 'label'")]


def test_a_line_without_the_key_text_may_have_one_of_three_others(read: Read) -> None:
    lines = b'{"prompt": "a"}\n{"source": "b", "text": "c"}\n{"source": "d", "document": "e"}'
    first, second, third = read(lines, "a.jsonl")
    assert (first, second) == (Item(0, 1, "a"), Item(1, 2, "c"))
    assert isinstance(third, BadItem)


def test_bad_lines_of_plain_text(read: Read) -> None:
    content = b"a\n\xffb\n" + b"x" * 200_001 + b"\n" + b"y" * 1_000_001 + b"\nc"
    items = read(content, "a.txt")
    assert [type(item) for item in items] == [Item, BadItem, BadItem, BadItem, Item]
    assert [item.line for item in items] == [1, 2, 3, 4, 5]


def test_an_input_of_no_lines_has_no_records(read: Read) -> None:
    assert read(b"", "a.jsonl") == read(b"\n\n", "a.txt") == []


def test_utf_16_without_a_mark_is_no_text(read: Read) -> None:
    first, *_ = read("good film\nbad film\n".encode("utf-16-le"), "a.txt")
    assert isinstance(first, BadItem)
    assert first.reason == "the line has NUL characters; if it is UTF-16, save it as UTF-8"
