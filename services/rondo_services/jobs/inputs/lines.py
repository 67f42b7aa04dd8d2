"""Blocks of bytes → lines, in bounded memory. Knows no format of records."""

from collections.abc import Iterator

from ...errors import InvalidInput
from .decompression import BrokenData

LONGEST_LINE = 1_000_000
MOST_BLANK_BYTES = 4_000_000
"""Of blank lines in a row, which a file of few bytes can unpack to for hours."""

TOO_LONG = f"the line is longer than {LONGEST_LINE:,} bytes"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def lines_of(blocks: Iterator[bytes], name: str) -> Iterator[bytes | None]:
    r"""Every line, also blank ones, without its "\n" and a byte order mark; None for one longer than `LONGEST_LINE`.

    A line that compressed data break off in is none.

    Raises (while they are read):
        InvalidInput: broken compression, with the line up to which all is well; UTF-16; very many blank lines.
    """
    rest, num_lines, too_long, num_blank = b"", 0, False, 0
    try:
        for block in blocks:
            if not num_lines and not too_long and len(rest) < len(_BOM) <= len(rest + block):
                if (rest + block).startswith(_UTF_16):
                    raise InvalidInput(f"{name}: this is UTF-16; save it as UTF-8", field="input.source")
                rest, block = b"", (rest + block).removeprefix(_BOM)
            num_blank = num_blank + len(block) if block.isspace() else 0
            if num_blank > MOST_BLANK_BYTES:
                message = f"{name}, after line {num_lines:,}: over {MOST_BLANK_BYTES:,} bytes of blank lines"
                raise InvalidInput(message, field="input.source")
            first, *others = block.split(b"\n")
            if not too_long:
                rest += first
                too_long = len(rest) > LONGEST_LINE
            if others:
                yield None if too_long else rest
                *whole, rest = others
                for line in whole:
                    yield line if len(line) <= LONGEST_LINE else None
                too_long = len(rest) > LONGEST_LINE
                num_lines += len(others)
            if too_long:
                rest = b""
    except BrokenData as error:
        raise InvalidInput(f"{name}, after line {num_lines:,}: {error}", field="input.source") from error
    if too_long or rest:
        yield None if too_long else rest


def undecodable(error: UnicodeDecodeError) -> str:
    """What is wrong with a line that is no UTF-8."""
    return f"byte {error.start + 1:,} of the line (0x{error.object[error.start]:02x}) is not UTF-8"
