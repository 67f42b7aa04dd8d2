"""What is read from an input, and what is kept of it until it is answered. Knows no format and no service."""

from dataclasses import dataclass

from pydantic_core import from_json, to_json


@dataclass(frozen=True, slots=True)
class Item:
    """A record with a text to answer.

    Attributes:
        index: its place among all records of the input, good and bad, from 0; outputs are in this order.
        line: where a user finds it, from 1: the line of a text file on which it begins, the row of a table.
        text: what is asked about.
        expected: the right label, or the references; empty if they are not known.
        id: the user's own name for it.
        language: of the text, if the input says so; else the job's options do.
    """

    index: int
    line: int
    text: str
    expected: tuple[str, ...] = ()
    id: str | int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class BadItem:
    """A record that can't be answered, and why."""

    index: int
    line: int
    reason: str


def packed(item: Item | BadItem) -> str:
    """A line of JSON, without a line end, for `unpacked`."""
    if isinstance(item, BadItem):
        values = [item.index, item.line, item.reason]
    else:
        values = [item.index, item.line, item.text, item.expected, item.id, item.language]
    return to_json(values).decode()


def unpacked(line: str | bytes) -> Item | BadItem:
    """What `packed` was given."""
    values = from_json(line)
    if len(values) == 3:
        return BadItem(*values)
    index, number, text, expected, identifier, language = values
    return Item(index, number, text, tuple(expected), identifier, language)
