"""The values of a record → an item, or what is wrong with them. Knows no format."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from ...errors import InvalidInput
from ...schema import LONGEST_TEXT
from ..items import BadItem, Item
from ..spec import JobInput
from .endings import name_of

_OTHER_NAMES = ("source", "prompt", "document")
_MOST_NAMES = 20
_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


class Unusable(Exception):
    """A record can't be answered; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that are needed; those that nobody asked for are None."""

    text: str
    expected: str | None
    id: str | None

    @property
    def names(self) -> list[str]:
        """Those there are, each once."""
        return list(dict.fromkeys(name for name in (self.text, self.expected, self.id) if name is not None))


def columns_of(spec: JobInput, names: Sequence[str]) -> Columns:
    """Finds the columns of `spec` among those of a table.

    Raises:
        InvalidInput: one is not there, or twice.
    """
    text = text_name(spec.text, names)
    for field, name in (("text", text or spec.text), ("expected", spec.expected), ("id", spec.id)):
        if name is not None and names.count(name) != 1:
            problem = "there are two columns" if name in names else "there is no column"
            message = f"{name_of(spec)}: {problem} {name!r}; the columns are: {listed(names)}"
            raise InvalidInput(message, field=f"input.{field}")
    return Columns(text or spec.text, spec.expected, spec.id)


def text_name(wanted: str, names: Collection[str]) -> str | None:
    """The column of texts: `wanted`; if that is "text" and missing, the only one of source, prompt and document."""
    if wanted in names:
        return wanted
    others = [name for name in _OTHER_NAMES if name in names]
    return others[0] if wanted == "text" and len(others) == 1 else None


def listed(names: Collection[str]) -> str:
    """For a message."""
    shown = ", ".join(repr(name[:100]) for name in islice(names, _MOST_NAMES))
    return f"{shown}, …" if len(names) > _MOST_NAMES else shown or "none"


def item_of(
    index: int,
    line: int,
    text: object,
    expected: tuple[str, object] | None = None,
    identifier: tuple[str, object] | None = None,
) -> Item | BadItem:
    """An item, if the values are what they should be.

    Args:
        text: a string, or the bytes of one.
        expected: name of the column, and what is there: a string, number, boolean or list of strings; null, an empty
            list and strings of white space say that it is not known.
        identifier: name of the column, and what is there: a string or whole number.
    """
    try:
        if type(text) is not str:
            text = _decoded(text)
        _check_length("the text", len(text))
        _check_unicode("the text", text)
        return Item(
            index,
            line,
            text,
            () if expected is None else _expected(*expected),
            None if identifier is None else _identifier(*identifier),
        )
    except Unusable as error:
        return BadItem(index, line, str(error))


def kind(value: object) -> str:
    """What a value is, for a message."""
    return _KINDS.get(type(value)) or f"of the type {type(value).__name__}"


def _decoded(value: object) -> str:
    if not isinstance(value, bytes):
        raise Unusable(f"the text is {kind(value)}; it has to be a string")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        byte = f"byte {error.start + 1:,} of the text (0x{value[error.start]:02x})"
        raise Unusable(f"{byte} is not UTF-8") from error


def _check_length(what: str, length: int) -> None:
    if length > LONGEST_TEXT:
        raise Unusable(f"{what} has {length:,} characters; at most {LONGEST_TEXT:,} are taken")


def _check_unicode(what: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unusable(
            f"{what} has half of a surrogate pair (U+{ord(value[error.start]):04X}) as character "
            f"{error.start + 1:,}, which is no Unicode text"
        ) from error


def _expected(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, bool | int | float):
        try:
            return (json.dumps(value, allow_nan=False),)
        except ValueError as error:
            raise Unusable(f"{name!r} is {value}, which is no number") from error
    if value is None:
        return ()
    values = [value] if isinstance(value, str | bytes) else value
    if not isinstance(values, list) or not all(isinstance(entry, str | bytes) for entry in values):
        wrong = "a list that holds more than strings" if isinstance(values, list) else kind(value)
        raise Unusable(f"{name!r} is {wrong}; it has to be a string, number, boolean or list of strings")
    known = tuple(string for entry in values if (string := _string(name, entry)).strip())
    _check_length(repr(name), sum(map(len, known)))
    return known


def _identifier(name: str, value: object) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str | bytes):
        string = _string(name, value)
        _check_length(repr(name), len(string))
        return string
    raise Unusable(f"{name!r} is {kind(value)}; it has to be a string or a whole number")


def _string(name: str, value: str | bytes) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Unusable(f"{name!r} has a byte (0x{value[error.start]:02x}) that is not UTF-8") from error
    _check_unicode(repr(name), value)
    return value
