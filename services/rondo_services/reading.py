"""What the model reads of a text: composed, in plain characters, without what nobody sees; and which part is which.

Nothing is known here of what the text is read for.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from rondo_tokenizers.normalization import compose
from rondo_tokenizers.protected import MARKS

UNREAD = f"\u00ad\u200b-\u200d\u2060\ufeff{MARKS}"
"""Soft hyphens, joiners, byte order marks and the like, as a character class; the model has a piece for none."""

_UNREAD = re.compile(rf"[{UNREAD}]|\r(?=\n)")
_ODD_SPACE = re.compile(r"[^\S \n]")
_PLAIN = {0x2010: "-", 0x2011: "-", **{0xFEE0 + own: chr(own) for own in range(ord("!"), ord("~") + 1)}}
"""Hyphens, and what East Asian keyboards write in full width."""
_OF_PLAIN = re.compile(f"[{''.join(map(chr, _PLAIN))}]")
_READ = re.compile(rf"(?:[^{UNREAD}\r]++|\r(?!\n))++")
_READ_OR_SPACE = re.compile(rf"\s[\s{UNREAD}]*|[^\s{UNREAD}]+")

_LATER_JAMO = frozenset(map(chr, range(0x1160, 0x1200)))

Span = tuple[int, int]
"""The first character, and the one after the last."""


def readable(text: str) -> str:
    """What is read of a text whose parts need not be found again. Ends of lines stay: heads have learnt from them."""
    if text.isprintable() and (text.isascii() or not _OF_PLAIN.search(text)):
        return text  # as most are: nothing else that is changed can be printed
    return _plain(_UNREAD.sub("", text))


def _plain(text: str) -> str:
    return _ODD_SPACE.sub(" ", text).translate(_PLAIN)


class _Piece(NamedTuple):
    """So many characters of one text that are so many of another; if `is_whole`, any of them is all of the other."""

    begin: int
    other_begin: int
    other_end: int
    is_whole: bool


class Pieces:
    """A text, and what of another text each part of it is."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._length = 0
        self._pieces: list[_Piece] = []
        self._begins: list[int] = []

    def __len__(self) -> int:
        return self._length

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    def add(self, text: str, other: Span, *, is_whole: bool) -> None:
        """Go on with `text`, which is the part `other` of the other text."""
        self._pieces.append(_Piece(self._length, *other, is_whole))
        self._begins.append(self._length)
        self._texts.append(text)
        self._length += len(text)

    def read(self, other: str, span: Span, *, one_space: bool = False) -> None:
        """Go on with what is read of a part of the other text.

        Args:
            one_space: any white space in it is read as one space, as in HTML.
        """
        for match in (_READ_OR_SPACE if one_space else _READ).finditer(other, *span):
            if one_space and match[0][0].isspace():
                self.add(" ", match.span(), is_whole=True)
                continue
            if compose(match[0]) == match[0]:
                self.add(_plain(match[0]), match.span(), is_whole=False)
                continue
            begin = match.start()
            for own in _decomposed(match[0]):
                self.add(_plain(compose(own)), (begin, begin + len(own)), is_whole=True)
                begin += len(own)

    def other(self, span: Span) -> Span:
        """What of the other text some characters of this one are; none are none."""
        begin, end = span
        first = self._pieces[max(0, bisect_right(self._begins, begin) - 1)]
        last = self._pieces[max(0, bisect_right(self._begins, max(begin, end - 1)) - 1)]
        from_first = 0 if first.is_whole else begin - first.begin
        to_last = last.other_end if last.is_whole else last.other_begin + end - last.begin
        other_begin = min(first.other_begin + from_first, first.other_end)
        return other_begin, max(other_begin, min(to_last, last.other_end)) if begin < end else other_begin


def _decomposed(text: str) -> Iterator[str]:
    """The characters of a text, each with the marks, or the vowel and final of a Korean syllable, that follow it."""
    begin = 0
    for end in range(1, len(text)):
        if unicodedata.category(text[end])[0] != "M" and text[end] not in _LATER_JAMO:
            yield text[begin:end]
            begin = end
    yield text[begin:]
