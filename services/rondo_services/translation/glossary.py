"""Finds the terms of a glossary in a text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rondo_tokenizers.protected import OBJECT

from ..errors import InvalidInput

_Span = tuple[int, int]


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
            if not term.strip():  # of which the schema's pattern knows less than Python does
                raise InvalidInput("glossary: a term is blank", field="glossary")
            if any(own == OBJECT or "\ud800" <= own <= "\udfff" for own in term):
                raise InvalidInput("glossary: a term holds a character that is no text", field="glossary")
        self._exact = {term.strip(): target.strip() for term, target in terms.items()}
        self._folded = {term.casefold(): target for term, target in reversed(self._exact.items())}
        ending = "" if source == "ko" else r"(?!\w)"
        pattern = rf"(?<!\w){_any_of(sorted(self._exact))}{ending}"
        self._patterns = (re.compile(pattern), re.compile(pattern, re.IGNORECASE))

    def find(self, text: str, taken: Sequence[_Span]) -> list[Term]:
        """Terms as whole words that don't overlap one another or what is `taken`.

        The longest at a place is taken, those as they are written before those that differ in capitals.
        """
        found: list[Term] = []
        occupied = sorted(taken)
        for pattern in self._patterns:
            new = [
                Term(begin, end, target)
                for begin, end in _matches(pattern, text, occupied)
                if (target := self._target(text[begin:end])) is not None
            ]
            found += new
            occupied = sorted([*occupied, *((term.begin, term.end) for term in new)])
        return sorted(found, key=lambda term: term.begin)

    def _target(self, term: str) -> str | None:
        return self._exact.get(term) or self._folded.get(term.casefold())


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


def _matches(pattern: re.Pattern[str], text: str, occupied: Sequence[_Span]) -> Iterator[_Span]:
    """Where a pattern matches beside what is occupied."""
    position, number = 0, 0
    while match := pattern.search(text, position):
        begin, end = match.span()
        while number < len(occupied) and occupied[number][1] <= begin:
            number += 1
        if number < len(occupied) and occupied[number][0] < end:
            position = max(begin + 1, occupied[number][1])
        else:
            yield begin, end
            position = end
