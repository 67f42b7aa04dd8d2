"""A line of a text, or a unit of HTML: its sentences, and how their translations are put together again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rondo_tokenizers.layout import split_lines
from rondo_tokenizers.markup import Unit
from rondo_tokenizers.placing import Alignment, place_tags
from rondo_tokenizers.protected import SYMBOLS, Kind, find_protected
from rondo_tokenizers.sentences import split_sentences

from ..reading import UNREAD
from .fidelity import Expected, Fixed, is_clean
from .glossary import Glossary
from .sentence import Sentence, Written

_MOST_FIXED = 32
"""In what is translated together. A sentence with more is a list, and to take it whole would take very long."""
_NO_BREAK_SPACE = "\u00a0"
_ENDS = tuple(".!?…。")
_EDGE = re.compile(rf"[{UNREAD}{SYMBOLS}]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence with the white space around it; it begins at character `begin` of its passage."""

    before: str
    sentence: Sentence
    after: str
    begin: int


class Passage:
    """Sentences that are translated apart, but belong together.

    Args:
        text: of the passage.
        fixed: the parts of it that are given; no sentence ends inside of one.
        numbers: that are given anywhere in the whole text.
        unit: if it is one of HTML.
        protects: whether no placeholder may come that is not in the source.
    """

    def __init__(
        self,
        text: str,
        fixed: Sequence[Fixed] = (),
        numbers: frozenset[str] = frozenset(),
        unit: Unit | None = None,
        *,
        protects: bool = True,
    ) -> None:
        self.text = text
        self.unit = unit
        self._fixed = fixed
        self._numbers = numbers
        self._protects = protects
        self.segments = list(self._segments())

    def _segments(self) -> Iterator[Segment]:
        # In HTML a line's end is white space like any other.
        text = self.text if self.unit is None else "".join(" " if own.isspace() else own for own in self.text)
        begin = end = first = last = 0
        for sentence in split_sentences(text):
            end += len(sentence)
            while last < len(self._fixed) and self._fixed[last].end <= end:
                last += 1
            if last < len(self._fixed) and self._fixed[last].begin < end:
                continue
            while last - first > _MOST_FIXED:
                cut = self._fixed[first + _MOST_FIXED - 1].end
                yield self._segment(begin, cut, self._fixed[first : first + _MOST_FIXED])
                begin, first = cut, first + _MOST_FIXED
            yield self._segment(begin, end, self._fixed[first:last])
            begin, first = end, last

    def _segment(self, begin: int, end: int, fixed: Sequence[Fixed]) -> Segment:
        whole = self.text[begin:end]
        first, last = _bare(whole)
        for part in fixed:
            if part.begin < begin + first < part.end or part.begin < begin + last < part.end:
                first, last = min(first, part.begin - begin), max(last, part.end - begin)
        inside = [Fixed(part.begin - begin, part.end - begin, part.text, part.kind) for part in fixed]
        first, last = _within_tags(whole, first, last, inside)
        offset = begin + first
        fixed = [part for part in fixed if offset <= part.begin and part.end <= begin + last]
        own = [Fixed(part.begin - offset, part.end - offset, part.text, part.kind) for part in fixed]
        sentence = Sentence(
            whole[first:last], own, self._numbers, one_space=self.unit is not None, verbatim=not self._protects
        )
        return Segment(whole[:first], sentence, whole[last:], offset)

    def joined(self, sentences: Sequence[Written], *, ended: bool = False) -> Written:
        """The translation of the passage, of those of its sentences.

        Args:
            ended: give each the full stop that its source has, if it lacks one.
        """
        text = ""
        objects: list[int] = []
        moved: list[Alignment] = []
        for segment, written in zip(self.segments, sentences, strict=True):
            text += segment.before
            moved += written.moved(segment.begin, len(text))
            num_before = len(objects)
            objects += [num_before + number for number in written.objects]
            own = _with_bound_numbers(segment.sentence, written.text)
            text += own + (_missing_end(segment.sentence.text, own) if ended else "") + segment.after
        hypotheses = tuple(one for written in sentences for one in written.hypotheses)
        return Written(text, tuple(objects), tuple(moved), hypotheses)

    def is_kept_by(self, text: str) -> bool:
        """Whether a translation holds all that is given in the passage: what two sentences end and begin with may be
        taken together for something else.
        """
        if not self._fixed:
            return not self._protects or is_clean(text, self._numbers)
        return Expected.of(self._fixed).is_kept_by(text, may_add_numbers=True)

    def rendered(self, written: Written) -> str:
        """A translation in the passage's format."""
        if self.unit is None:
            return written.text
        return place_tags(self.unit, written.text, written.objects, written.alignments)

    @property
    def unchanged(self) -> str:
        """The passage as it was."""
        return self.text if self.unit is None else self.unit.raw


def _missing_end(source: str, translation: str) -> str:
    """What ends a sentence, if its translation has nothing that does."""
    return source[-1] if source[-1:] in _ENDS and translation[-1:] not in _ENDS else ""


def plain_parts(text: str) -> list[str | Passage]:
    """A text of which nothing is protected."""
    return [Passage(text, protects=False)]


def text_parts(text: str, glossary: Glossary | None) -> list[str | Passage]:
    """The lines of a text, and what is between them."""
    parts: list[str | Passage] = []
    lines = split_lines(text)
    given = [_given(line.body, glossary) for line in lines]
    numbers = _numbers(given)
    frame = ""
    for line, fixed in zip(lines, given, strict=True):
        frame += line.before
        if line.body:
            parts += [frame, Passage(line.body, fixed, numbers)]
            frame = ""
        frame += line.after
    return [*parts, frame]


def markup_parts(read: Sequence[str | Unit], glossary: Glossary | None) -> list[str | Passage]:
    """The units of HTML, and what is between them."""
    given = [[] if isinstance(part, str) else _given(part.text, glossary) for part in read]
    numbers = _numbers(given)
    return [
        part if isinstance(part, str) else Passage(part.text, fixed, numbers, part)
        for part, fixed in zip(read, given, strict=True)
    ]


def _given(text: str, glossary: Glossary | None) -> list[Fixed]:
    """The protected parts of a text and the terms of a glossary, which yield to them."""
    fixed: list[Fixed] = []
    for own in find_protected(text):
        begin, kind = own.begin, own.kind
        if fixed and fixed[-1].end == begin and _are_one(kind, fixed[-1].kind):
            last = fixed.pop()
            begin, kind = last.begin, last.kind or kind
        fixed.append(Fixed(begin, own.end, text[begin : own.end], kind))
    if glossary is None:
        return fixed
    terms = glossary.find(text, [(part.begin, part.end) for part in fixed])
    fixed += [Fixed(term.begin, term.end, term.target, None) for term in terms]
    return sorted(fixed, key=lambda part: part.begin)


def _bare(text: str) -> tuple[int, int]:
    """What of a sentence is without the white space, signs, and what nobody sees, around it."""
    stripped = text.strip()
    first = text.find(stripped)
    last = first + len(stripped)
    if stripped and (_EDGE.match(stripped) or _EDGE.match(stripped[-1])):
        while first < last and (text[first].isspace() or _EDGE.match(text[first])):
            first += 1
        while first < last and (text[last - 1].isspace() or _EDGE.match(text[last - 1])):
            last -= 1
    return first, last


def _within_tags(text: str, first: int, last: int, fixed: Sequence[Fixed]) -> tuple[int, int]:
    """What of a sentence is between the tags that it begins and ends with, and the white space beside them."""
    for part in fixed:
        if part.kind == "tag" and part.begin == first and part.end < last:
            first = part.end + len(text[part.end : last]) - len(text[part.end : last].lstrip())
    for part in reversed(fixed):
        if part.kind == "tag" and part.end == last and part.begin > first:
            last = part.begin - len(text[first : part.begin]) + len(text[first : part.begin].rstrip())
    return first, last


def _with_bound_numbers(source: Sentence, text: str) -> str:
    """A translation in which a number has the no-break space that follows it in the source; as long as before."""
    for part in source.fixed:
        if part.kind == "number" and source.text.startswith(_NO_BREAK_SPACE, part.end):
            text = re.sub(rf"(?<!\w){re.escape(part.text)} (?=\w)", part.text + _NO_BREAK_SPACE, text, count=1)
    return text


def _are_one(*kinds: Kind | None) -> bool:
    """Whether parts that touch one another are one for the model."""
    return "object" not in kinds and ("number" not in kinds or "mark" in kinds)


def _numbers(given: Sequence[Sequence[Fixed]]) -> frozenset[str]:
    numbers: set[str] = set()
    for fixed in given:
        if fixed:
            numbers.update(Expected.of(fixed).numbers)
    return frozenset(numbers)
