"""Whole numbers that come as text, in headers, fields of forms and keys."""

_MOST_DIGITS = 18


def whole_number(text: str) -> int | None:
    """What up to 18 ASCII digits say, else None: nothing here is larger, and Python reads no thousands of them."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
