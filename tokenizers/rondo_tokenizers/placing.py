"""Puts the tags of a unit of HTML into its translation, where the alignment says that they belong.

Each tag comes exactly once, and pairs stay properly nested. Nothing is known here of how an alignment came about.
"""

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .markup import Tag, Unit
from .protected import OBJECT, find_protected

Span = tuple[int, int]
"""The first one, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which part of a text was written for which part of another.

    Attributes:
        source_spans, target_spans: characters of the tokens, in their order.
        weights: target × source; how much each source token counted for a target token.
    """

    source_spans: Sequence[Span]
    target_spans: Sequence[Span]
    weights: Sequence[Sequence[float]]


_WORD = re.compile(r"\w+(?:[-'’.]\w+)*|[^\w\s]")
_STOPS = frozenset(".,;:!?…。")
_DRAWN = 0.4
"""A word of whose source more than this share lies in an element is drawn into it."""


def _words(text: str) -> list[Span]:
    """Words, protected parts and single signs of `text`: nothing is placed inside of them."""
    words: list[Span] = []
    position = 0
    for own in find_protected(text):
        words.extend(match.span() for match in _WORD.finditer(text, position, own.begin))
        words.append((own.begin, own.end))
        position = own.end
    words.extend(match.span() for match in _WORD.finditer(text, position))
    return words


def _overlap(first: Span, second: Span) -> int:
    return max(0, min(first[1], second[1]) - max(first[0], second[0]))


class _Block:
    """A part of a text that was translated by itself.

    Attributes:
        source: its characters in the source.
        words: numbers of its words in the target.
    """

    def __init__(self, alignment: Alignment, words: Sequence[Span], begins: Sequence[int], ends: Sequence[int]) -> None:
        spans = alignment.target_spans
        self._source_spans = alignment.source_spans
        self.source = (alignment.source_spans[0][0], alignment.source_spans[-1][1])
        first = bisect_right(ends, spans[0][0])
        self.words = (first, max(first, bisect_left(begins, spans[-1][1])))
        self._cumulative = [[0.0] * (len(alignment.source_spans) + 1) for _ in range(first, self.words[1])]
        for span, row in zip(spans, alignment.weights, strict=True):
            total = sum(row) or 1.0
            number = max(first, bisect_right(ends, span[0]))
            while number < self.words[1] and words[number][0] < span[1]:
                share = _overlap(words[number], span) / (words[number][1] - words[number][0]) / total
                own = self._cumulative[number - first]
                for i, weight in enumerate(accumulate(row), start=1):
                    own[i] += share * weight
                number += 1

    def drawn(self, part: Span) -> list[float]:
        """For each word the share of its source that lies in `part` of the source."""
        first = bisect_right([end for _, end in self._source_spans], part[0])
        last = bisect_left([begin for begin, _ in self._source_spans], part[1])
        return [own[max(first, last)] - own[first] for own in self._cumulative]


def _heaviest(weights: Sequence[float], gaps: Sequence[Span], offset: int) -> Span | None:
    """The run of words inside one of `gaps` that outweighs `_DRAWN` by most, or else the heaviest word."""
    best: Span | None = None
    most = 0.0
    for low, high in gaps:
        begin, total = low, 0.0
        for number in range(max(low, offset), min(high, offset + len(weights))):
            if total <= 0:
                begin, total = number, 0.0
            total += weights[number - offset] - _DRAWN
            if total > most:
                best, most = (begin, number + 1), total
    if best is None:
        free = [n for low, high in gaps for n in range(max(low, offset), min(high, offset + len(weights)))]
        heaviest = max(free, key=lambda number: weights[number - offset], default=None)
        best = None if heaviest is None else (heaviest, heaviest + 1)
    return best


def _without(gaps: Sequence[Span], taken: Span) -> list[Span]:
    """What is left of `gaps`."""
    left = [part for low, high in gaps for part in ((low, min(high, taken[0])), (max(low, taken[1]), high))]
    return [part for part in left if part[0] < part[1]] if taken[0] < taken[1] else list(gaps)


class _Placing:
    """Finds for each tag of a unit the words that it goes around, or the word that it goes before."""

    def __init__(self, unit: Unit, text: str, alignments: Sequence[Alignment]) -> None:
        self._text = unit.text
        self._target = text
        self._tags = unit.tags
        self.words = _words(text)
        begins, ends = [begin for begin, _ in self.words], [end for _, end in self.words]
        spoken = [own for own in alignments if own.source_spans and own.target_spans]
        self._blocks = [_Block(own, self.words, begins, ends) for own in spoken]
        self._begins = [block.source[0] for block in self._blocks]
        self._inside: dict[int, list[int]] = {}
        for number, tag in enumerate(unit.tags):
            self._inside.setdefault(tag.parent, []).append(number)
        self.places: dict[int, Span] = {}
        self._place_inside(-1, self._trimmed(0, len(unit.text)), (0, len(self.words)))

    def inside(self, parent: int) -> list[int]:
        """Tags right inside of one, or outside of all (-1), in the order in which they come in the target."""
        return sorted(self._inside.get(parent, ()), key=lambda number: (*self.places[number], number))

    def _trimmed(self, begin: int, end: int) -> Span:
        """The part of the source without white space around it."""
        part = self._text[begin:end]
        begin += len(part) - len(part.lstrip())
        return begin, begin + len(part.strip())

    def _place_inside(self, parent: int, source: Span, target: Span) -> None:
        """Place what is inside of a tag, which has these words in the target, first what is longest."""
        own = self._inside.get(parent, ())
        spans = {n: self._trimmed(self._tags[n].begin, self._tags[n].end) for n in own}
        gaps = [target]
        for number in sorted(own, key=lambda n: spans[n][0] - spans[n][1]):
            begin, end = spans[number]
            if begin < end:
                self.places[number] = target if spans[number] == source else self._around((begin, end), gaps, target)
                gaps = _without(gaps, self.places[number])
        taken = {k for n in own if n in self.places for k in range(self.places[n][0] + 1, self.places[n][1])}
        for number in own:
            if number not in self.places:
                boundary = self._boundary(self._tags[number].begin, source, target, taken)
                self.places[number] = (boundary, boundary)
            self._place_inside(number, spans[number], self.places[number])

    def _block(self, position: int) -> int:
        """The number of the block in which a character of the source is, or else of the one before it."""
        return max(0, bisect_right(self._begins, position) - 1)

    def _around(self, part: Span, gaps: Sequence[Span], target: Span) -> Span:
        first, last = self._block(part[0]), self._block(part[1] - 1)
        place = None
        if first == last and self._blocks:
            block = self._blocks[first]
            place = _heaviest(block.drawn(part), gaps, block.words[0])
        elif self._blocks:
            begin = self._in_block(self._blocks[first], part)[0]
            end = self._in_block(self._blocks[last], part)[1]
            within = [(max(begin, low), min(end, high)) for low, high in gaps]
            place = max((own for own in within if own[0] < own[1]), key=lambda own: own[1] - own[0], default=None)
        return self._without_stops(place, part) if place else (target[1], target[1])

    def _without_stops(self, place: Span, part: Span) -> Span:
        """Without the full stop or comma at its end that the source has outside of the element."""
        begin, end = place
        while end - begin > 1 and self._is_stop(end - 1) and self._text[part[1] - 1] not in _STOPS:
            end -= 1
        return begin, end

    def _is_stop(self, number: int) -> bool:
        first, last = self.words[number]
        return self._target[first:last] in _STOPS

    def _in_block(self, block: _Block, part: Span) -> Span:
        """The words of one block that belong to a part of the source that reaches beyond it."""
        if part[0] <= block.source[0] and part[1] >= block.source[1]:
            return block.words
        return _heaviest(block.drawn(part), [block.words], block.words[0]) or block.words

    def _boundary(self, point: int, source: Span, target: Span, taken: set[int]) -> int:
        """The number of the word before which something goes that is at `point` in the source."""
        low, high = target
        if point <= source[0] or low == high or not self._blocks:
            return low
        if point >= source[1]:
            return high
        block = self._blocks[self._block(point)]
        before, after = block.drawn((source[0], point)), block.drawn((point, source[1]))
        first, last = (min(max(k, low), high) for k in block.words)
        cost = sum(before[k - block.words[0]] for k in range(first, last))
        costs = {first: cost}
        for k in range(first, last):
            cost += after[k - block.words[0]] - before[k - block.words[0]]
            costs[k + 1] = cost
        free = [k for k in costs if k not in taken]
        return min(free or [k for k in range(low, high + 1) if k not in taken], key=lambda k: costs.get(k, 0.0))


class _Writing:
    """Writes a translated text as HTML."""

    def __init__(self, unit: Unit, text: str, objects: Sequence[int], placing: _Placing) -> None:
        self._unit = unit
        self._text = text
        self._placing = placing
        numbers = iter(objects)
        self._objects = {i: unit.objects[next(numbers)] for i, own in enumerate(text) if own == OBJECT}
        self._beside: dict[Span, Span] = {}  # of parent and place in the source: the first and the last without text
        for number, tag in enumerate(unit.tags):
            if tag.begin == tag.end:
                first, _ = self._beside.get((tag.parent, tag.begin), (number, number))
                self._beside[tag.parent, tag.begin] = (first, number)

    def inside(self, parent: int, begin: int, end: int, words: Span) -> Iterator[str]:
        """What is between two characters, and so inside of a tag, or outside of all (-1)."""
        position = begin
        for number in self._placing.inside(parent):
            tag, own = self._unit.tags[number], self._placing.places[number]
            first, last = self._characters(tag, own, (begin, end), words)
            first = self._between_spaces(number, max(first, position), end)
            last = max(last, first)
            before, after = self._spaces(number, first)
            yield from self._escaped(position, first)
            yield before + tag.opening
            yield from self.inside(number, first, last, own)
            yield tag.closing + after
            position = last
        yield from self._escaped(position, end)

    def _characters(self, tag: Tag, own: Span, around: Span, words: Span) -> Span:
        """Between which characters a tag's inside is, if it is in words that are between the characters `around`."""
        all_words = self._placing.words
        if own[0] < own[1]:
            return all_words[own[0]][0], all_words[own[1] - 1][1]
        touches_next = self._unit.text[tag.end : tag.end + 1].strip()
        if touches_next:
            position = all_words[own[0]][0] if own[0] < words[1] else around[1]
        else:
            position = all_words[own[0] - 1][1] if own[0] > words[0] else around[0]
        return position, position

    def _between_spaces(self, number: int, position: int, end: int) -> int:
        """Behind the first space at `position` if the target has both that the source has around a tag without text.

        So it is between sentences, where the spaces are the source's.
        """
        tag = self._unit.tags[number]
        if tag.begin < tag.end or number != self._beside[tag.parent, tag.begin][0]:
            return position
        both = self._text[position : min(position + 2, end)]
        has_both = len(both) == 2 and both.isspace()
        return position + 1 if has_both and all(own.isspace() for own in self._source_around(tag)) else position

    def _source_around(self, tag: Tag) -> tuple[str, str]:
        """The characters of the source before and after a tag, and inside of the same one; "" if there is none."""
        source = self._unit.text
        begin, end = (0, len(source)) if tag.parent < 0 else self._span(tag.parent)
        return source[max(begin, tag.begin - 1) : tag.begin], source[tag.end : min(end, tag.end + 1)]

    def _spaces(self, number: int, position: int) -> tuple[str, str]:
        """The spaces that the source has before and after an image, or whatever has no text, and the target lacks.

        Of the two around it, the model has read, and written, one. Of tags with nothing between them it is the first
        that has a space before it, and the last that has one after it.
        """
        tag, target = self._unit.tags[number], self._text
        if tag.begin < tag.end:
            return "", ""
        first, last = self._beside[tag.parent, tag.begin]
        before, after = self._source_around(tag)
        lacks_before = position > 0 and not target[position - 1].isspace()
        lacks_after = position < len(target) and not target[position].isspace() and target[position] not in _STOPS
        return (
            " " if number == first and before.isspace() and lacks_before else "",
            " " if number == last and after.isspace() and lacks_after else "",
        )

    def _span(self, number: int) -> Span:
        return self._unit.tags[number].begin, self._unit.tags[number].end

    def _escaped(self, begin: int, end: int) -> Iterator[str]:
        for i in range(begin, end):
            character = self._text[i]
            if character == OBJECT:
                yield self._objects[i]
            elif character in self._unit.references:
                yield self._unit.references[character]
            elif character not in "&<>" or self._may_be_bare(i, end):
                yield character
            else:
                yield html.escape(character, quote=False)

    def _may_be_bare(self, position: int, end: int) -> bool:
        """Whether a sign that the source had as it is means itself here, too."""
        character, rest = self._text[position], self._text[position + 1 : min(end, position + 40)]
        if character not in self._unit.bare:
            return False
        if character == "&":
            word = f"&{rest.partition('&')[0]}"
            return html.unescape(word) == word and not rest.startswith("#")
        return character == ">" or rest[:1].isspace() or rest[:1].isdigit()


def place_tags(unit: Unit, text: str, objects: Sequence[int], alignments: Sequence[Alignment]) -> str:
    """The translation of a unit as HTML.

    Args:
        text: the translation of the unit's text; all of the unit's `OBJECT` characters are in it.
        objects: for each of them, in the translation's order, its number in the unit.
        alignments: of the parts that were translated by themselves, in their order, over the unit's text and `text`.
    """
    placing = _Placing(unit, text, alignments)
    writing = _Writing(unit, text, objects, placing)
    return "".join(writing.inside(-1, 0, len(text), (0, len(placing.words))))
