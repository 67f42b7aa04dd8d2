"""The input file of an OpenAI batch: a request a line. All of it is looked at before anything is answered."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, BinaryIO

from pydantic_core import from_json

from ...errors import InvalidInput, MalformedBody
from ...jobs.items import Item
from ..json_limits import check_json
from ..settings import ServerSettings

MOST_REQUESTS = 50_000
_MOST_TOLD = 100
_LONGEST_ID = 512
_SHOWN = 100
"""Characters of what is wrong that are repeated."""
_KEYS = ("custom_id", "method", "url", "body")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK = 1 << 18
_ROOM_BYTES = 10_000
"""For what a line has besides its body."""


@dataclass(frozen=True, slots=True)
class LineLimits:
    """What the body on a line may cost, as for requests that are sent by themselves.

    Attributes:
        max_bytes: of the body.
        max_depth, max_values: of its JSON.
    """

    max_bytes: int
    max_depth: int
    max_values: int

    @staticmethod
    def of(settings: ServerSettings) -> "LineLimits":
        """Those of a server."""
        return LineLimits(settings.max_body_bytes, settings.max_json_depth, settings.max_json_values)


@dataclass(frozen=True, slots=True)
class LineProblem:
    """Why a line, counted from 1, or the whole file can't be taken; the code is OpenAI's where it has one."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


def invalid_requests(problems: Sequence[LineProblem]) -> InvalidInput:
    """The error of a file that can't be taken; its message is JSON, which `problems_of` reads again."""
    return InvalidInput(json.dumps([asdict(problem) for problem in problems], ensure_ascii=False), field="input")


def problems_of(error: str) -> list[LineProblem]:
    """What the error of a failed job tells of its lines; of any other error, one that has its text."""
    try:
        return [LineProblem(**values) for values in json.loads(error)]
    except (ValueError, TypeError):
        return [LineProblem("batch_failed", error)]


def read_requests(open_file: Callable[[], BinaryIO], endpoint: str, limits: LineLimits) -> Iterator[Item]:
    """The requests of a file, once all of it has been looked at; the text of each is its body, as JSON.

    Raises:
        InvalidInput: there is none, there are too many, or lines are no requests to `endpoint` of their own id; from
            `invalid_requests`.
    """
    with open_file() as file:
        problems = list(islice(_problems(file, endpoint, limits), _MOST_TOLD))
    if problems:
        raise invalid_requests(problems)
    return _requests(open_file, limits)


def num_characters(file: BinaryIO, limits: LineLimits) -> int:
    """Of the texts in a file of requests, as the services count them; lines that are no requests have none."""
    values = (value for _, value in _values(file, limits))
    return sum(_length(value["body"]) for value in values if isinstance(value, dict) and "body" in value)


def _requests(open_file: Callable[[], BinaryIO], limits: LineLimits) -> Iterator[Item]:
    with open_file() as file:
        for index, (number, value) in enumerate(_values(file, limits)):
            yield Item(index, number, json.dumps(value["body"], ensure_ascii=False), id=value["custom_id"])


def _values(file: BinaryIO, limits: LineLimits) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that is not empty; in place of the value, a `LineProblem` if it has none."""
    for number, line in _lines(file, limits.max_bytes + _ROOM_BYTES):
        if line is None:
            message = f"the line is longer than {limits.max_bytes} bytes and {_ROOM_BYTES} for what is around the body"
            yield number, LineProblem("line_too_long", message, None, number)
        elif line:
            yield number, _parsed(number, line, limits)


def _lines(file: BinaryIO, longest: int) -> Iterator[tuple[int, bytes | None]]:
    """All lines with their numbers, without white space around them; None for a longer one, which is not held."""
    number, begun, is_too_long = 1, b"", False
    for block in iter(lambda: file.read(_BLOCK), b""):
        *ends, rest = block.split(b"\n")
        for end in ends:
            yield number, None if is_too_long else _stripped(number, begun + end)
            number, begun, is_too_long = number + 1, b"", False
        begun += rest
        if len(begun) > longest:
            begun, is_too_long = b"", True
    yield number, None if is_too_long else _stripped(number, begun)


def _stripped(number: int, line: bytes) -> bytes:
    return (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).strip()


def _problems(file: BinaryIO, endpoint: str, limits: LineLimits) -> Iterator[LineProblem]:
    seen: dict[str, int] = {}
    count = 0
    for number, value in _values(file, limits):
        count += 1
        if count > MOST_REQUESTS:
            yield LineProblem("too_many_tasks", f"the file has more than {MOST_REQUESTS} requests; send several files")
            return
        if isinstance(value, LineProblem):
            yield value
            continue
        found = _problem(value, endpoint)
        if found is not None:
            code, message, param = found
            yield LineProblem(code, message, param, number)
            continue
        earlier = seen.setdefault(value["custom_id"], number)
        if earlier != number:
            message = f"the custom_id {value['custom_id']!r} is that of line {earlier} too; each needs one of its own"
            yield LineProblem("duplicate_custom_id", message, "custom_id", number)
    if not count:
        yield LineProblem("empty_file", "the file has no requests")


def _parsed(number: int, line: bytes, limits: LineLimits) -> Any:
    try:
        check_json(line, limits.max_depth + 1, limits.max_values + len(_KEYS))
        return from_json(line, allow_inf_nan=False)
    except MalformedBody:
        most = f"nested deeper than {limits.max_depth}, or has more than {limits.max_values} values"
        return LineProblem("invalid_json_line", f"the body on this line is {most}", None, number)
    except ValueError:
        return None


def _problem(value: Any, endpoint: str) -> tuple[str, str, str | None] | None:
    """Code, message and parameter of what is wrong with a line."""
    if not isinstance(value, dict):
        return "invalid_json_line", "this line is no JSON object", None
    if missing := [key for key in _KEYS if key not in value]:
        return "missing_required_parameter", f"{missing[0]} is missing; a request has {', '.join(_KEYS)}", missing[0]
    if unknown := sorted(value.keys() - set(_KEYS)):
        name = unknown[0][:_SHOWN]
        return "unknown_parameter", f"{name} is unknown; a request has {', '.join(_KEYS)}", name
    identifier = value["custom_id"]
    if not isinstance(identifier, str) or not 1 <= len(identifier) <= _LONGEST_ID:
        return "invalid_custom_id", f"custom_id must be a text of 1 to {_LONGEST_ID} characters", "custom_id"
    if value["method"] != "POST":
        return "invalid_method", f"method must be POST, not {_shown(value['method'])}", "method"
    if value["url"] != endpoint:
        return "mismatched_endpoint", f"url must be that of the batch, {endpoint}, not {_shown(value['url'])}", "url"
    if not isinstance(value["body"], dict):
        return "invalid_body", "body must be a JSON object", "body"
    return None


def _shown(value: Any) -> str:
    return repr(value)[:_SHOWN]


def _length(body: Any) -> int:
    asked = body.get("prompt", body.get("text")) if isinstance(body, Mapping) else None
    if isinstance(asked, list):
        return sum(len(one) if isinstance(one, str | list) else 1 for one in asked)
    return len(asked) if isinstance(asked, str) else 0
