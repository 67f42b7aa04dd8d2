"""What is said in a subtitle ↔ what frames it, as positions, dashes and signs of music do, and text for translation.

Tags and codes that are not around all of it are between its words: the text is HTML then, with a `<g>` for a pair of
tags and an `<x/>` for what stands alone.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .document import Passage

_TAG = r"</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>|<\d[\d:.]*>"
_CODE = r"\{(?:\\[^{}]*|[A-Za-z]:[^{}]*|/?[bius])\}"
MARK = re.compile(f"{_TAG}|{_CODE}", re.IGNORECASE)
"""What is not seen: a tag of SubRip or WebVTT, or a code of SSA or MicroDVD."""

_NAME = re.compile(r"<(/?)([A-Za-z]\w*)")
_BEFORE = re.compile(r"(?:[\s♩-♬]|>>+|[-–—]++(?!\d))+")
_BEHIND = " \t\u00a0♩♪♫♬"
_NOTES = re.compile(r"(\[[^\[\]]*\])?(.*?)(\[[^\[\]]*\])?", re.DOTALL)
"""What is heard, or who speaks, may be in brackets before and after what is said."""

_WRITTEN = re.compile(r"(<[^<>]*>)")
_NUMBER = re.compile(r'id="(\d+)"')


@dataclass(slots=True)
class _Token:
    """A piece of text, or a mark; `mate` is the other tag of its pair."""

    raw: str
    number: int | None = None  # of a mark
    mate: "_Token | None" = None


@dataclass(frozen=True, slots=True)
class _Said:
    """A passage between other text; `marks` are those in it, by the numbers that stand for them."""

    before: str
    passage: Passage
    marks: Mapping[int, _Token] = field(default_factory=dict)


class Utterance:
    """One speaker's text, in one line."""

    def __init__(self, text: str) -> None:
        tokens = _tokens(text)
        before, tokens, self._behind = _framed(tokens)
        if any(token.number is not None for token in tokens):
            self._said = [_marked(before, tokens)]
            return
        notes = _NOTES.fullmatch("".join(token.raw for token in tokens))
        assert notes is not None  # anything is between two notes
        self._said, frame = [], before
        for place, part in enumerate(notes.groups(default="")):
            is_note = part != "" and place != 1
            bare = part[1:-1].strip() if is_note else part.strip()
            opening, _, closing = part.partition(bare) if bare else (part, "", "")
            frame += opening
            if any(character.isalnum() for character in bare):
                self._said.append(_Said(frame, Passage(bare)))
                frame = closing
            else:
                frame += bare + closing
        self._behind = frame + self._behind

    @property
    def passages(self) -> list[Passage]:
        """What is to be translated."""
        return [own.passage for own in self._said]

    def written(self, translations: Iterator[str]) -> str:
        """The same with the next translations, one for each passage."""
        parts = [part for own in self._said for part in (own.before, _restored(own, next(translations)))]
        return "".join([*parts, self._behind])


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    opened: list[tuple[str, _Token]] = []
    num_opened: Counter[str] = Counter()
    position = 0
    for number, match in enumerate(MARK.finditer(text)):
        if match.start() > position:
            tokens.append(_Token(text[position : match.start()]))
        own = _Token(match[0], number)
        tokens.append(own)
        position = match.end()
        name = _NAME.match(own.raw)
        if name is None or own.raw.endswith("/>"):
            continue
        kind = name[2].lower()
        if not name[1]:
            opened.append((kind, own))
            num_opened[kind] += 1
        while name[1] and num_opened[kind] and own.mate is None:
            other, last = opened.pop()
            num_opened[other] -= 1
            if other == kind:
                own.mate, last.mate = last, own
    if position < len(text):
        tokens.append(_Token(text[position:]))
    return tokens


def _framed(tokens: list[_Token]) -> tuple[str, list[_Token], str]:
    """What is before the words, the words with what is between them, and what is behind them."""
    before, behind = "", ""
    first, last = 0, len(tokens)
    while first < last:
        begin, end = tokens[first], tokens[last - 1]
        lead = _BEFORE.match(begin.raw) if begin.number is None else None
        bare = end.raw.rstrip(_BEHIND) if end.number is None else end.raw
        if lead is not None:
            before, begin.raw = before + lead[0], begin.raw[lead.end() :]
            first += not begin.raw
        elif bare != end.raw:
            behind, end.raw = end.raw[len(bare) :] + behind, bare
            last -= not bare
        elif begin.number is not None and begin.mate is None:
            before, first = before + begin.raw, first + 1
        elif end.number is not None and end.mate is None:
            behind, last = end.raw + behind, last - 1
        elif begin.mate is end:
            before, behind, first, last = before + begin.raw, end.raw + behind, first + 1, last - 1
        else:
            break
    return before, tokens[first:last], behind


def _marked(before: str, tokens: Sequence[_Token]) -> _Said:
    parts = []
    for token in tokens:
        if token.number is None:
            parts.append(html.escape(token.raw, quote=False))
        elif token.mate is None:
            parts.append(f'<x id="{token.number}"/>')
        else:
            parts.append("</g>" if token.raw.startswith("</") else f'<g id="{token.number}">')
    marks = {token.number: token for token in tokens if token.number is not None}
    return _Said(before, Passage("".join(parts), "html"), marks)


def _restored(said: _Said, translation: str) -> str:
    """A translation with the marks that stood in the subtitle.

    Raises:
        ValueError: it has not all of them.
    """
    if not said.marks:
        return translation
    parts: list[str] = []
    opened: list[_Token] = []
    numbers: list[int] = []
    for part in _WRITTEN.split(translation):
        number = _NUMBER.search(part) if part.startswith("<") else None
        mark = None if number is None else said.marks.get(int(number[1]))
        if mark is not None and mark.number is not None:
            parts.append(mark.raw)
            numbers.append(mark.number)
            opened += [] if mark.mate is None else [mark.mate]
        elif part == "</g>" and opened:
            parts.append(opened.pop().raw)
        else:
            parts.append(html.unescape(part))
    if opened or sorted(numbers) != [n for n, mark in said.marks.items() if not (mark.mate and mark.raw[1] == "/")]:
        raise ValueError("a translation has not the tags of its source")
    return "".join(parts)
