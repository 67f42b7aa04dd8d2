import json

import pytest

from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.output import answered_line, bad_line


def test_a_line_says_where_the_record_was_and_what_is_known_of_it() -> None:
    item = Item(4, 7, "배", ("Schiff", "Boot"), "a7", "ko")
    line = answered_line(item, {"translation": "Boot", "score": -0.5})
    assert line == (
        '{"line": 7, "id": "a7", "text": "배", "expected": ["Schiff", "Boot"], "translation": "Boot", "score": -0.5}\n'
    )


def test_what_is_not_known_is_left_out() -> None:
    assert json.loads(answered_line(Item(0, 1, "text"), {"label": "x"})) == {"line": 1, "text": "text", "label": "x"}
    assert json.loads(answered_line(Item(0, 1, "text", id=0), {})) == {"line": 1, "id": 0, "text": "text"}


def test_line_ends_in_a_text_do_not_end_the_line() -> None:
    line = answered_line(Item(0, 1, "a\nb\u2028c\rd"), {})
    assert len(line.encode().splitlines()) == 1
    assert json.loads(line)["text"] == "a\nb\u2028c\rd"


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        answered_line(Item(0, 1, ""), {"score": float("nan")})


def test_a_bad_record_is_named_as_far_as_it_was_read() -> None:
    assert json.loads(bad_line(BadItem(1, 2, "no JSON"), "no JSON")) == {"line": 2, "reason": "no JSON"}
    known = json.loads(bad_line(Item(1, 2, "text", id="a"), "too long"))
    assert known == {"line": 2, "id": "a", "reason": "too long"}
