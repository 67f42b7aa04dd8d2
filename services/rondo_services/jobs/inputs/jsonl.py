"""Lines → items: a JSON object a line, or a text a line. Blank lines are no records, but count as lines."""

import json
from collections.abc import Iterator
from typing import NoReturn

from ..items import BadItem, Item
from ..spec import JobInput
from .lines import TOO_LONG, undecodable
from .records import Unusable, item_of, kind, listed, text_name


def text_items(lines: Iterator[bytes | None]) -> Iterator[Item | BadItem]:
    """Each line is a text."""
    for item in raw_items(lines):
        yield item if isinstance(item, BadItem) else item_of(item.index, item.line, item.text)


def raw_items(lines: Iterator[bytes | None]) -> Iterator[Item | BadItem]:
    """Each line as it is, however long a text it makes."""
    for index, number, line in _records(lines):
        yield BadItem(index, number, line.reason) if isinstance(line, _Bad) else Item(index, number, line)


def json_items(lines: Iterator[bytes | None], spec: JobInput) -> Iterator[Item | BadItem]:
    """Each line is an object; the columns of `spec` are its keys, for each line anew (`records.text_name`)."""
    for index, number, line in _records(lines):
        try:
            if isinstance(line, _Bad):
                raise Unusable(line.reason)
            record = _object(line)
            text = spec.text if spec.text in record else text_name(spec.text, record)
            if text is None:
                raise _missing(spec.text, record)
            expected = None if spec.expected is None else (spec.expected, record.get(spec.expected))
            identifier = None if spec.id is None else (spec.id, _value(record, spec.id))
        except Unusable as error:
            yield BadItem(index, number, str(error))
        else:
            yield item_of(index, number, record[text], expected, identifier)


class _Bad:
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _records(lines: Iterator[bytes | None]) -> Iterator[tuple[int, int, str | _Bad]]:
    r"""Index, line number and text of each line that is not blank, without "\r" at its end."""
    index = 0
    for number, line in enumerate(lines, 1):
        decoded: str | _Bad
        if line is None:
            decoded = _Bad(TOO_LONG)
        else:
            try:
                decoded = line.decode().removesuffix("\r")
            except UnicodeDecodeError as error:
                decoded = _Bad(undecodable(error))
            else:
                if not decoded or decoded.isspace():
                    continue
                if "\0" in decoded:  # as in UTF-16, half of whose bytes are NUL in English
                    decoded = _Bad("the line has NUL characters; if it is UTF-16, save it as UTF-8")
        yield index, number, decoded
        index += 1


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def _object(line: str) -> dict[str, object]:
    try:
        record = _decode(line)
    except json.JSONDecodeError as error:
        raise Unusable(f"broken JSON at character {error.pos + 1:,}: {error.msg}") from error
    except RecursionError as error:
        raise Unusable("the JSON is nested too deep") from error
    except ValueError as error:  # a constant, or more digits than Python reads
        raise Unusable(f"broken JSON: {error}") from error
    if not isinstance(record, dict):
        raise Unusable(f'the line is {kind(record)}; it has to be a JSON object such as {{"text": "…"}}')
    return record


def _value(record: dict[str, object], name: str) -> object:
    if name not in record:
        raise _missing(name, record)
    return record[name]


def _missing(name: str, record: dict[str, object]) -> Unusable:
    return Unusable(f"there is no key {name!r}; the keys are: {listed(record)}")
