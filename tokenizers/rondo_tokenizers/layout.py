"""Splits a plain text into lines, these at tabs and the bars of tables, and what frames them, so that only their bodies
need to be read.

Markers of lists, and Markdown's headings, quotes, fences and bars, belong to the frame. Sentences are not known here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_ENDS = re.compile(r"(?<=\S)\t+(?=\S)" "|\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_FENCE = re.compile(r"[ \t]*(?:```+[^`]*|~~~(?!~).*)$")
_TILDES = re.compile(r"~~~+$")
_MARKERS = re.compile(
    r"""
    \s*+
    (?:>\s*+)*+                                          # quotes
    (?:
        \#{1,6}(?=\s)                                    # a heading
      | (?:[-*+•‣◦▪·–—]|[0-9]\ufe0f?\u20e3)(?=\s)    # a list's item,
      | (?:\d{1,3}|[A-Za-z])[.)](?=\s) | \((?:\d{1,3}|[A-Za-z])\)(?=\s)    # or a numbered one
    )?
    \s*+
    (?:\[[ xX]\]\s++)?                                   # a box to tick
    """,
    re.VERBOSE,
)
_RULE = re.compile(r"[\W_]*+$")
_ROW = re.compile(r"\|(?:\s|.*\|\s*+$)")
_DASHES = re.compile(r"(?=[^-]*+-)[\s>|:-]*+")
_BAR = re.compile(r"(?<!`)`++[^`]++`++|\\.|(?P<bar>\|)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a part of one; `before + body + after` is the whole of it.

    Attributes:
        before: indentation and markers; of a table's cell the bar before it, too.
        body: what it says; empty for a blank line, a rule, and a line of code between fences.
        after: white space at its end, and what ends it; of a row's last cell the bar after it, too.
    """

    before: str
    body: str
    after: str


def _line(text: str, end: str) -> Line:
    body = text.strip()
    if not body or _RULE.match(body):
        return Line(text, "", end)
    markers = _MARKERS.match(text)
    assert markers is not None
    begin = markers.end()
    if begin == len(text.rstrip()):  # a marker alone says something after all
        begin = text.index(body)
    body = text[begin:].rstrip()
    return Line(text[:begin], body, text[begin + len(body) :] + end)


def _rows(lines: Sequence[str]) -> set[int]:
    """The numbers of rows of dashes and bars, of the line over each, and of those under it that have bars."""
    rows: set[int] = set()
    for number, line in enumerate(lines):
        if "|" in line and _DASHES.fullmatch(line):
            rows |= {number - 1, number}
        elif "|" in line and number - 1 in rows:
            rows.add(number)
    return rows


def _cells(text: str, end: str, *, is_row: bool) -> Iterator[Line]:
    """The cells of a line that has bars, if it is a row of a table; else the line.

    Outside of tables, too, what begins with a bar is a row if it ends with one, or has white space after it. Bars in
    code, and after a backslash, are a part of their cell.
    """
    markers = _MARKERS.match(text)
    assert markers is not None
    first = markers.end()
    bars = [match.start() for match in _BAR.finditer(text, first) if match["bar"]]
    if not bars or _RULE.match(text) or not (is_row or _ROW.match(text, first)):
        yield _line(text, end)
        return
    is_closed = bars[-1] > first and not text[bars[-1] + 1 :].strip()
    stop = bars.pop() if is_closed else len(text)
    for begin, cut in pairwise([0, *(bar for bar in bars if bar > first), stop]):
        bar = max(begin, first)
        inside = bar + 1 if text.startswith("|", bar) else begin
        own = _line(text[inside:cut], text[stop:] + end if cut == stop else "")
        yield Line(text[begin:inside] + own.before, own.body, own.after)


def split_lines(text: str) -> list[Line]:
    """The lines of `text`; joined, they are `text` again.

    Three tildes are a fence only if another follows somewhere; more of them than three are a rule under a heading or
    between paragraphs.
    """
    lines, begin, fence = [], 0, ""
    bounds = [(match.start(), match.end()) for match in _ENDS.finditer(text)]
    if not bounds or bounds[-1][1] < len(text):
        bounds.append((len(text), len(text)))
    parts = []
    for stop, end in bounds:
        parts.append((text[begin:stop], text[stop:end]))
        begin = end
    last_tildes = max((number for number, (line, _) in enumerate(parts) if _TILDES.match(line.strip())), default=-1)
    rows = _rows([line for line, _ in parts])
    for number, (line, ending) in enumerate(parts):
        marks = line.strip()[:3]
        opens = _FENCE.match(line) is not None and (marks != "~~~" or number < last_tildes)
        if fence or opens:
            lines.append(Line(line, "", ending))
            fence = "" if fence and marks == fence else fence or marks
        else:
            lines += _cells(line, ending, is_row=number in rows) if "|" in line else [_line(line, ending)]
    return lines
