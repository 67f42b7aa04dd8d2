"""Bytes ↔ text, for files that don't say what they are encoded in."""

import codecs
from typing import NamedTuple

from ..errors import InvalidInput

_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Encoding(NamedTuple):
    """How a text was encoded: the byte order mark that it began with, if any, and Python's name of the encoding."""

    mark: bytes
    name: str

    def encode(self, text: str) -> bytes:
        """`text` as a file."""
        return self.mark + text.encode(self.name)


def decode(data: bytes) -> tuple[str, Encoding]:
    """The text of a file that is UTF-8, or begins with the byte order mark of UTF-8 or UTF-16.

    Raises:
        InvalidInput: it is something else, or has NUL characters.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark) and not data.startswith(_UTF_32)), b"")
    encoding = Encoding(mark, _MARKS.get(mark, "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding.name)
    except UnicodeDecodeError as error:
        raise _not_text(f"is not {encoding.name.upper()} at byte {len(mark) + error.start}") from error
    if "\0" in text:  # as half of the bytes of UTF-16 are in English, which is valid UTF-8
        raise _not_text("has NUL characters, so it is no text, or not in the encoding that it seems to be in")
    return text, encoding


def _not_text(reason: str) -> InvalidInput:
    return InvalidInput(f"the file {reason}; save it as UTF-8, or as UTF-16 with a byte order mark", field="file")
