"""Splits a text into sentences that, joined, are the text again."""

import re
from collections.abc import Iterator

_ENGLISH = "mr mrs ms dr prof st jr sr vs etc no vol fig inc ltd co corp dept est approx"
_ENGLISH_NAMES = "gov sen rep capt gen lt sgt rev jan feb aug oct nov dec ala ariz calif fla kan mich minn wis"
"""Before names and numbers, as the news have them; without those that are words of another language, as "sept"."""
_GERMAN = "bzw ca evtl ggf hr fr nr str usw vgl zzgl abb bd sog ing dipl mio mrd tel"
_FRENCH = "av boul éd env mgr mlle tél"
_ABBREVIATIONS = frozenset(f"{_ENGLISH} {_ENGLISH_NAMES} {_GERMAN} {_FRENCH}".split())
_LONGEST_WORD = 8
"""Characters that decide whether a full stop belongs to its word: more than the longest abbreviation has."""

# A run of marks is tried only from its beginning and never given back, so that time grows linearly with the text.
# French closes a quotation after a space; where text follows at once, it is a German one that opens.
_BOUNDARY = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’“‘»«)\]]*+(?:[ \u00a0\u202f]»(?=\s|$))?+(?:\s++|$)|"""
    r"""[。！？]++["'”’」』)]*(?:\s++|(?<=[。！？」』])|$)|\n++"""
)
_LAST_WORD = re.compile(r"[^\W_]+$")
_NOT_SPACE = re.compile(r"\S")


def _is_boundary(before: str, mark: str, following: str) -> bool:
    """Whether `mark` ends a sentence, between the characters right before it and the one after its white space."""
    if following.islower():
        return False
    match = _LAST_WORD.search(before)
    if mark != "." or match is None:
        return True
    word = match[0]
    is_initial = len(word) == 1 and word.isalpha() and word.isascii()
    is_ordinal = word.isdigit() and len(word) <= 2 and following.isalpha()
    return not (is_initial or is_ordinal or word.lower() in _ABBREVIATIONS)


def split_sentences(text: str) -> list[str]:
    """As `each_sentence`, all of them."""
    return list(each_sentence(text))


def each_sentence(text: str) -> Iterator[str]:
    """Sentences with the white space that follows them; `"".join` gives `text` back exactly.

    A line break always ends a sentence. Full stops after common English, German and French abbreviations, initials and
    German ordinals do not, nor does one before a small letter.
    """
    start = 0
    first = _NOT_SPACE.search(text)
    for match in _BOUNDARY.finditer(text):
        end = match.end()
        if first is None or first.start() >= end:
            continue
        before = text[max(start, match.start() - _LONGEST_WORD) : match.start()]
        if "\n" in match[0] or _is_boundary(before, match[0].rstrip(), text[end : end + 1]):
            yield text[start:end]
            start = end
            first = _NOT_SPACE.search(text, start)
    if start < len(text):
        yield text[start:]
