"""Finds the terms of a glossary in a text, as it is read: however it is composed, and whatever white space it has."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rondo_tokenizers.normalization import compose
from rondo_tokenizers.protected import OBJECT

from ..errors import InvalidInput
from ..reading import Pieces, Span, readable
from .endings import may_follow


@dataclass(frozen=True, slots=True)
class Term:
    """A term in a text, from character `begin` to before `end`, and how it is to be translated."""

    begin: int
    end: int
    target: str


class Glossary:
    """Terms of the source language, and their translations.

    Args:
        source: the language; in Korean, particles may follow a term.

    Raises:
        InvalidInput: a term is blank, or holds a lone surrogate or an `OBJECT`.
    """

    def __init__(self, terms: Mapping[str, str], source: str) -> None:
        for term in (part for pair in terms.items() for part in pair):
            if not readable(term).strip():  # of which the schema's pattern knows less than Python does
                raise InvalidInput("glossary: a term is blank", field="glossary")
            if any(own == OBJECT or "\ud800" <= own <= "\udfff" for own in term):
                raise InvalidInput("glossary: a term holds a character that is no text", field="glossary")
        self._exact = {_read(term): compose(target.strip()) for term, target in terms.items()}
        self._folded = {term.casefold(): target for term, target in reversed(self._exact.items())}
        self._may_go_on = source == "ko"
        ending = "" if self._may_go_on else r"(?!\w)"
        pattern = rf"(?<!\w){_any_of(sorted(self._exact))}{ending}"
        self._patterns = (re.compile(pattern), re.compile(pattern, re.IGNORECASE))

    def find(self, text: str, taken: Sequence[Span]) -> list[Term]:
        """Terms as whole words that don't overlap one another or what is `taken`.

        The longest at a place is taken, those as they are written before those that differ in capitals.
        """
        pieces, occupied = _beside(text, taken)
        read = pieces.text
        found: list[Term] = []
        for pattern in self._patterns:
            new = [
                (span, target)
                for span in self._matches(pattern, read, occupied)
                if (target := self._target(read[slice(*span)])) is not None
            ]
            found += [Term(*pieces.other(span), target) for span, target in new]
            occupied = sorted([*occupied, *(span for span, _ in new)])
        return sorted(found, key=lambda term: term.begin)

    def _matches(self, pattern: re.Pattern[str], text: str, occupied: Sequence[Span]) -> Iterator[Span]:
        """Where a pattern matches beside what is occupied."""
        position, number = 0, 0
        while match := pattern.search(text, position):
            begin, end = match.span()
            while number < len(occupied) and occupied[number][1] <= begin:
                number += 1
            if number < len(occupied) and occupied[number][0] < end:
                position = max(begin + 1, occupied[number][1])
            elif whole := self._whole(pattern, match):
                yield whole.span()
                position = whole.end()
            else:
                position = begin + 1

    def _whole(self, pattern: re.Pattern[str], match: re.Match[str] | None) -> re.Match[str] | None:
        """Where a pattern has matched, the longest term that is a word with what follows it."""
        while match and self._may_go_on and not may_follow(match[0], match.string, match.end()):
            match = pattern.match(match.string, match.start(), match.end() - 1)
        return match

    def _target(self, term: str) -> str | None:
        return self._exact.get(term) or self._folded.get(term.casefold())


def _read(term: str) -> str:
    return " ".join(readable(compose(term)).split())


def _beside(text: str, taken: Sequence[Span]) -> tuple[Pieces, list[Span]]:
    """What is read of a text, and where what is taken is in that, as it is."""
    pieces, occupied, position = Pieces(), [], 0
    for begin, end in sorted(taken):
        pieces.read(text, (position, begin), one_space=True)
        occupied.append((len(pieces), len(pieces) + end - begin))
        pieces.add(text[begin:end], (begin, end), is_whole=True)
        position = end
    pieces.read(text, (position, len(text)), one_space=True)
    return pieces, occupied


def _any_of(terms: Sequence[str]) -> str:
    """A pattern for the longest of the terms, which are sorted, at a place.

    It is a tree of their beginnings, so that no character is compared with one after the other of many alike terms.
    """
    branches = [
        re.escape(first) + _any_of([term[1:] for term in alike])
        for first, alike in groupby(filter(None, terms), key=lambda term: term[0])
    ]
    if not branches:
        return ""
    group = f"(?:{'|'.join(branches)})"
    return f"{group}?" if "" in terms else group if len(branches) > 1 else branches[0]
