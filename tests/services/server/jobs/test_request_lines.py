"""The input file of a batch."""

import io
import json
import tracemalloc
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.server.jobs import request_lines
from rondo_services.server.jobs.request_lines import LineLimits, num_characters, problems_of, read_requests

ENDPOINT = "/v1/sentiment"
LIMITS = LineLimits(max_bytes=1_000_000, max_depth=8, max_values=100)


def _line(**changes: Any) -> str:
    own = {"custom_id": "a", "method": "POST", "url": ENDPOINT, "body": {"text": "Good."}, **changes}
    return json.dumps({name: value for name, value in own.items() if value is not ...})


def _opened(*lines: str | bytes) -> Callable[[], BinaryIO]:
    data = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    return lambda: io.BytesIO(data)


def _problems(*lines: str | bytes) -> list[tuple[str, str | None, int | None]]:
    with pytest.raises(InvalidInput) as raised:
        read_requests(_opened(*lines), ENDPOINT, LIMITS)
    return [(one.code, one.param, one.line) for one in problems_of(raised.value.message)]


def test_requests_in_their_order_with_the_lines_on_which_they_are() -> None:
    opened = _opened("\ufeff" + _line(), "", _line(custom_id="b", body={"text": "봄"}) + "\r", "  ")
    first, second = read_requests(opened, ENDPOINT, LIMITS)
    assert (first.index, first.line, first.id, json.loads(first.text)) == (0, 1, "a", {"text": "Good."})
    assert (second.index, second.line, second.id, json.loads(second.text)) == (1, 3, "b", {"text": "봄"})


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        ("{", "invalid_json_line", None),
        ("[]", "invalid_json_line", None),
        (b"\xff", "invalid_json_line", None),
        (_line(body={"text": float("nan")}), "invalid_json_line", None),
        ('{"a":' * 5000 + "1" + "}" * 5000, "invalid_json_line", None),
        (_line(custom_id=...), "missing_required_parameter", "custom_id"),
        (_line(body=...), "missing_required_parameter", "body"),
        (_line(priority=1), "unknown_parameter", "priority"),
        (_line(custom_id=7), "invalid_custom_id", "custom_id"),
        (_line(custom_id=""), "invalid_custom_id", "custom_id"),
        (_line(custom_id="x" * 513), "invalid_custom_id", "custom_id"),
        (_line(method="GET"), "invalid_method", "method"),
        (_line(url="/v1/translate"), "mismatched_endpoint", "url"),
        (_line(url=["x"]), "mismatched_endpoint", "url"),
        (_line(body="x"), "invalid_body", "body"),
    ],
)
def test_what_is_no_request(line: str | bytes, code: str, param: str | None) -> None:
    assert _problems(_line(custom_id="z"), line) == [(code, param, 2)]


def test_of_an_unknown_key_only_the_beginning_is_told() -> None:
    with pytest.raises(InvalidInput) as raised:
        read_requests(_opened(_line(**{"x" * 100_000: 1})), ENDPOINT, LIMITS)
    (problem,) = problems_of(raised.value.message)
    assert problem.param == "x" * 100
    assert len(problem.message) < 300


def test_a_line_that_is_too_long_is_a_problem_and_is_not_held() -> None:
    """One line of 200 MB was read and parsed as a whole, while the server answered nobody."""
    most = LIMITS.max_bytes + 10_000
    long = b'{"custom_id":"' + b"x" * 8 * most

    def problems() -> list[tuple[str, int | None]]:
        with pytest.raises(InvalidInput) as raised:
            read_requests(_opened(_line(), long, _line(url="/"), b" " * most, long), ENDPOINT, LIMITS)
        return [(one.code, one.line) for one in problems_of(raised.value.message)]

    assert problems() == [("line_too_long", 2), ("mismatched_endpoint", 3), ("line_too_long", 5)]
    opened = _opened(long)()
    tracemalloc.start()
    assert num_characters(opened, LIMITS) == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * most


def test_the_limits_of_json_are_those_of_requests() -> None:
    """A line with millions of values was parsed, which held up the server."""
    deepest, most = {"a": [[[[[[[1]]]]]]]}, {"a": [0] * LIMITS.max_values}
    assert (
        len(list(read_requests(_opened(_line(body=deepest), _line(custom_id="b", body=most)), ENDPOINT, LIMITS))) == 2
    )
    assert _problems(_line(body={"a": [deepest]}), _line(body={"a": [0] * (LIMITS.max_values + 2)})) == [
        ("invalid_json_line", None, 1),
        ("invalid_json_line", None, 2),
    ]


def test_every_wrong_line_is_told_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line for _, _, line in _problems("{", _line(), "[")] == [1, 3]
    monkeypatch.setattr(request_lines, "_MOST_TOLD", 2)
    assert len(_problems("{", "{", "{")) == 2


def test_an_id_that_comes_twice_is_told_at_its_second_line() -> None:
    assert _problems(_line(), _line(custom_id="b"), _line()) == [("duplicate_custom_id", "custom_id", 3)]


def test_none_and_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _problems("", " ") == [("empty_file", None, None)]
    monkeypatch.setattr(request_lines, "MOST_REQUESTS", 1)
    assert list(read_requests(_opened(_line(), ""), ENDPOINT, LIMITS))
    assert _problems(_line(), _line(custom_id="b")) == [("too_many_tasks", None, None)]


@pytest.mark.parametrize("error", ["the worker died", "[1", "7", '["x"]', '[{"wrong": 1}]'])
def test_another_error_is_told_as_it_is(error: str) -> None:
    (problem,) = problems_of(error)
    assert (problem.code, problem.message, problem.line) == ("batch_failed", error, None)


def test_characters_are_those_of_the_texts() -> None:
    bodies: list[Any] = [
        {"text": "봄이다"},
        {"prompt": ["ab", "c"], "model": "generation"},
        {"prompt": [[1, 2], [3]]},
        {"prompt": [1, 2, 3]},
        {"prompt": None},
        {},
        "x",
    ]
    lines = [_line(body=body) for body in bodies]
    assert num_characters(_opened(*lines, "{", "[1]")(), LIMITS) == 3 + 3 + 3 + 3
