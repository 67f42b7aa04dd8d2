"""Lines of a job's output: what became of an item, as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from .items import BadItem, Item
from .tasks.task import Fields


def answered_line(item: Item, fields: Fields) -> str:
    """An answered item with its line end: where it was, the text, what is expected if that is known, the answer."""
    own: dict[str, Any] = {"line": item.line}
    if item.id is not None:
        own["id"] = item.id
    own["text"] = item.text
    if item.expected:
        own["expected"] = item.expected
    return _line({**own, **fields})


def bad_line(item: Item | BadItem, reason: str) -> str:
    """An item that could not be answered, with its line end."""
    own = {"id": item.id} if isinstance(item, Item) and item.id is not None else {}
    return _line({"line": item.line, **own, "reason": reason})


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"
