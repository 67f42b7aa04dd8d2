"""Plain text. Blank lines, code between fences and the bars of tables stay.

What frames other lines is kept by whoever translates them.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from rondo_tokenizers.layout import Line, split_lines
from rondo_tokenizers.sentences import split_sentences

from .document import LONGEST_PASSAGE, Passage, check_count
from .encoding import Encoding, decode

MOST_LINES = 400_000
"""And cells between tabs or bars: for each a few hundred bytes are held while a file is read."""

_ENDS = tuple("\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
"""Of lines; what tabs part counts as lines here."""

_USUAL = 1000
"""Characters after which a passage ends with the line."""


class PlainText:
    """A .txt file; passages and what is between them, joined, are its text."""

    def __init__(self, parts: Sequence[str | Passage], encoding: Encoding) -> None:
        self._parts = parts
        self._encoding = encoding
        self.passages = [part for part in parts if isinstance(part, Passage)]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`."""
        if len(translations) != len(self.passages):
            raise ValueError(f"{len(translations)} translations of {len(self.passages)} passages")
        given = iter(translations)
        return self._encoding.encode("".join(part if isinstance(part, str) else next(given) for part in self._parts))


def read_plain_text(data: bytes) -> PlainText:
    """Read a .txt file.

    Raises:
        InvalidInput: it has too many lines; or as `decode` does.
    """
    text, encoding = decode(data)
    check_count(sum(map(text.count, ("|", *_ENDS))), MOST_LINES, "line breaks, tabs and bars")
    parts: list[str | Passage] = []
    all_lines = split_lines(text)
    for kind, lines in groupby(all_lines, lambda line: _kind(line, is_last=line is all_lines[-1])):
        if kind == "cell":
            for cell in lines:
                parts += [cell.before, *map(Passage, _cut([cell.body])), cell.after]
            continue
        own = [line.before + line.body + line.after for line in lines]
        parts += map(Passage, _cut(own)) if kind == "line" else ["".join(own)]
    return PlainText(parts, encoding)


def _kind(line: Line, *, is_last: bool) -> Literal["frame", "cell", "line"]:
    """Cells are told here: without the row of dashes, which is in no passage, they can't be told from lines."""
    if not line.body:
        return "frame"
    has_bar = "|" in line.before + line.after
    return "cell" if has_bar or not (is_last or line.after.endswith(_ENDS)) else "line"


def _cut(lines: Sequence[str]) -> Iterator[str]:
    """Some lines each; what is much longer than usual is cut between its sentences, or else anywhere."""
    part = ""
    for line in lines:
        for sentence in split_sentences(line) if len(line) > _USUAL else [line]:
            if part and len(part) + len(sentence) > _USUAL:
                yield part
                part = ""
            part += sentence
            while len(part) > LONGEST_PASSAGE:
                yield part[:LONGEST_PASSAGE]
                part = part[LONGEST_PASSAGE:]
        if len(part) >= _USUAL:
            yield part
            part = ""
    if part:
        yield part
