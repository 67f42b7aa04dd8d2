"""What must be in a translation because it is in the source, and whether it is. Knows text only."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rondo_tokenizers.protected import OBJECT, Kind, find_protected

_CURRENCY = "$€£¥₩ \u00a0\u202f"
_SIGNS = re.compile(rf"[\d%{{}}$`@<>&\[\]#+\-−±‰€£¥₩:/{OBJECT}]|www\.|mailto:")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A part of a source that is given: it is not for the model to translate.

    Attributes:
        begin, end: its characters.
        text: what is to be in the translation for it, exactly once.
        kind: None for a term of a glossary; else it is `text` in the source, too. Of several in a row the first's.
    """

    begin: int
    end: int
    text: str
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a faithful translation holds.

    Attributes:
        marks: protected parts but numbers.
        numbers: without signs of currency, which may be written otherwise.
        terms: of a glossary.
        whole: marks and numbers, as they were written.
    """

    marks: Counter[str]
    numbers: Counter[str]
    terms: Counter[str]
    whole: Counter[str]

    @staticmethod
    def of(parts: Iterable[Fixed]) -> "Expected":
        """For a source with these parts."""
        expected = Expected(Counter(), Counter(), Counter(), Counter())
        for part in parts:
            if part.kind is not None:
                found = _kinds(part.text)
                if "".join(text for text, _ in found) != part.text:  # it is one only where it stands
                    found = [(part.text, part.kind)]
            else:
                expected.terms[part.text] += 1
                found = _kinds(part.text)
            for text, kind in found:
                _count(expected.marks, expected.numbers, text, kind)
                expected.whole[text] += 1
        return expected

    def is_kept_by(self, text: str, *, may_add_numbers: bool = False) -> bool:
        """Whether `text` holds all of it as often as it should, and no other placeholder or number.

        Args:
            may_add_numbers: other numbers are allowed, as for those that were words in the source.
        """
        marks: Counter[str] = Counter()
        numbers: Counter[str] = Counter()
        found = _kinds(text)
        for own, kind in found:
            _count(marks, numbers, own, kind)
        seen = Counter(own for own, _ in found)  # which spares counting nearly each of them in the whole text
        if may_add_numbers:
            numbers = Counter({number: count for number, count in numbers.items() if number in self.numbers})
        return (
            marks == self.marks
            and numbers == self.numbers
            and all(seen[own] >= count or text.count(own) >= count for own, count in self.whole.items())
            and all(_num_words(own, text) >= count for own, count in self.terms.items())
        )


_ENDING = r"(?:[^\W\d_]{0,3}(?!\w)|(?=[가-힣]))"
"""Of a term in the target: a short one, or any of Korean's particles."""


def _num_words(term: str, text: str) -> int:
    """How often `term` comes as a word, to which an ending may have been added."""
    return len(re.findall(rf"(?<!\w){re.escape(term)}{_ENDING}", text))


def _kinds(text: str) -> list[tuple[str, Kind]]:
    return [(text[own.begin : own.end], own.kind) for own in find_protected(text)]


def _count(marks: Counter[str], numbers: Counter[str], text: str, kind: Kind) -> None:
    if kind == "number":
        numbers[text.strip(_CURRENCY)] += 1
    else:
        marks[text] += 1


def is_clean(text: str, numbers: Collection[str] = ()) -> bool:
    """Whether there is no placeholder in `text`, and none of these numbers."""
    return all(
        own.kind == "number" and text[own.begin : own.end].strip(_CURRENCY) not in numbers
        for own in find_protected(text)
    )


def without_protected(text: str, numbers: Collection[str] | None = None) -> str:
    """`text` without placeholders, and without these numbers, or without any.

    What is left of it holds none either: taking one out may have made another.
    """
    while True:
        unwanted = [
            own
            for own in find_protected(text)
            if own.kind != "number" or numbers is None or text[own.begin : own.end].strip(_CURRENCY) in numbers
        ]
        if not unwanted:
            return text
        for own in reversed(unwanted):
            text = text[: own.begin] + text[own.end :]


def without_signs(text: str) -> str:
    """`text` without any character that is a part of a placeholder, an address or a number."""
    while _SIGNS.search(text):
        text = _SIGNS.sub("", text)
    return text
