"""Splits a plain text into lines, and these at tabs, and what frames them, so that only their bodies need to be read.

Markers of lists, and Markdown's headings, quotes and fences, belong to the frame. Sentences are not known here.
"""

import re
from dataclasses import dataclass

_ENDS = re.compile(r"(?<=\S)\t+(?=\S)" "|\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_FENCE = re.compile(r"[ \t]*(?:```+[^`]*|~~~(?!~).*)$")
_TILDES = re.compile(r"~~~+$")
_MARKERS = re.compile(
    r"""
    \s*+
    (?:>\s*+)*+                                          # quotes
    (?:
        \#{1,6}(?=\s)                                    # a heading
      | [-*+•‣◦▪·–—](?=\s)                               # a list's item,
      | (?:\d{1,3}|[A-Za-z])[.)](?=\s) | \((?:\d{1,3}|[A-Za-z])\)(?=\s)    # or a numbered one
    )?
    \s*+
    (?:\[[ xX]\]\s++)?                                   # a box to tick
    """,
    re.VERBOSE,
)
_RULE = re.compile(r"[\W_]*+$")


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `before + body + after` is the whole of it.

    Attributes:
        before: indentation and markers.
        body: what it says; empty for a blank line, a rule, and a line of code between fences.
        after: white space at its end, and what ends it.
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
    for number, (line, ending) in enumerate(parts):
        marks = line.strip()[:3]
        opens = _FENCE.match(line) is not None and (marks != "~~~" or number < last_tildes)
        if fence or opens:
            lines.append(Line(line, "", ending))
            fence = "" if fence and marks == fence else fence or marks
        else:
            lines.append(_line(line, ending))
    return lines
