"""Lines of CSV and TSV → items. Fields are quoted as RFC 4180 has it, in both.

A record that can't be parsed ends with the line on which it begins, and reading goes on with the next. Otherwise a
quote that somebody forgot would swallow all records up to the next quote, wherever that is.
"""

import csv
from collections import deque
from collections.abc import Iterator

from ...errors import InvalidInput
from ..items import BadItem, Item
from ..spec import JobInput
from .endings import name_of
from .lines import LONGEST_LINE, TOO_LONG, undecodable
from .records import Columns, Unusable, columns_of, item_of

_UNCLOSED = "a quote is opened that is not closed"
_WHOLE = 'a field with quotes in it is put in quotes as a whole, and each quote in it is written twice: "a ""b"" c"'

_LONGEST_RECORD = LONGEST_LINE + 1  # with a line end

csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_RECORD))  # else the reader refuses long texts


_ALWAYS_AGAIN, _AGAIN_EACH = 1_000_000, 8
"""Lines that may be read again after quotes that are not closed, and how many more for each line of the file."""


class _TooMuch(Exception):
    """A record goes on and on."""


class _Feed:
    """Gives a CSV reader its lines, keeps those of the record that it is at, and can give them again."""

    def __init__(self, lines: Iterator[bytes | None], name: str) -> None:
        self._name = name
        self._lines = enumerate(lines, 1)
        self._again: deque[tuple[int, bytes | None]] = deque()
        self._held: list[tuple[int, bytes | None]] = []
        self._num_bytes = 0
        self._num_again = 0
        self.flaw: str | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = entry = self._again.popleft() if self._again else next(self._lines)
        self._held.append(entry)
        if line is None:
            raise _TooMuch(
                TOO_LONG if len(self._held) == 1 else f"{_UNCLOSED} before line {number:,}; {TOO_LONG} there"
            )
        self._num_bytes += len(line) + 1
        if self._num_bytes > _LONGEST_RECORD:
            raise _TooMuch(f"{_UNCLOSED} within {LONGEST_LINE:,} bytes")
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            where = "" if len(self._held) == 1 else f"line {number:,}: "
            self.flaw = self.flaw or where + undecodable(error)
            return line.decode(errors="replace") + "\n"

    @property
    def is_blank(self) -> bool:
        """Whether all of the record is a line of white space."""
        (_, line), *more = self._held
        return not more and line is not None and line.decode(errors="replace").isspace()

    @property
    def line(self) -> int:
        """On which the record begins."""
        return self._held[0][0]

    def end_record(self) -> None:
        """The record is parsed."""
        self._held.clear()
        self._num_bytes, self.flaw = 0, None

    def end_line(self) -> None:
        """Only the first line of the record is done.

        Raises:
            InvalidInput: so many lines have been read again that the whole would take the square of the file's size.
        """
        self._num_again += len(self._held) - 1
        if self._num_again > _ALWAYS_AGAIN + _AGAIN_EACH * self.line:
            message = (
                f"{self._name}, line {self.line:,}: too many quotes are opened and not closed until here; {_WHOLE}"
            )
            raise InvalidInput(message, field="input.source")
        self._again.extendleft(reversed(self._held[1:]))
        self.end_record()


def _rows(lines: Iterator[bytes | None], delimiter: str, name: str) -> Iterator[tuple[int, list[str] | Unusable]]:
    """The line on which each record begins, and its fields; blank lines are none."""
    feed = _Feed(lines, name)
    while True:
        try:
            for fields in csv.reader(feed, delimiter=delimiter, strict=True):
                if len(fields) > 1 or (fields and not feed.is_blank):
                    yield feed.line, Unusable(feed.flaw) if feed.flaw else fields
                feed.end_record()
            return
        except (csv.Error, _TooMuch) as error:
            yield feed.line, Unusable(feed.flaw or _reason(error))
            feed.end_line()


def _reason(error: Exception) -> str:
    if isinstance(error, _TooMuch):
        return str(error)
    if "unexpected end of data" in str(error):
        return f"{_UNCLOSED}; {_WHOLE}"
    if "new-line character" in str(error):
        return "there is a carriage return in the middle of the line; put the field in quotes"
    return f"{error}; {_WHOLE}"


def table_items(lines: Iterator[bytes | None], delimiter: str, spec: JobInput) -> Iterator[Item | BadItem]:
    """The items of a table whose first record has the names of the columns. That is read at once.

    Raises:
        InvalidInput: there is no such record, or a column is missing.
    """
    rows = _rows(lines, delimiter, name_of(spec))
    line, header = next(rows, (1, Unusable("the file is empty")))
    if isinstance(header, Unusable):
        message = f"{name_of(spec)}, line {line}: {header}; the first line has to name the columns"
        raise InvalidInput(message, field="input.source")
    return _items(rows, header, columns_of(spec, header))


def _items(
    rows: Iterator[tuple[int, list[str] | Unusable]], header: list[str], columns: Columns
) -> Iterator[Item | BadItem]:
    text = header.index(columns.text)
    expected = None if columns.expected is None else header.index(columns.expected)
    identifier = None if columns.id is None else header.index(columns.id)
    for index, (line, fields) in enumerate(rows):
        if isinstance(fields, Unusable):
            yield BadItem(index, line, str(fields))
        elif len(fields) != len(header):
            yield BadItem(index, line, f"the number of fields is {len(fields)}; {len(header)} columns are named")
        else:
            yield item_of(
                index,
                line,
                fields[text],
                None if expected is None else (header[expected], fields[expected]),
                None if identifier is None else (header[identifier], fields[identifier]),
            )
