"""Marks the words in which an answer and a reference differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORDS = re.compile(r"\w+|[^\w\s]")
_MOST_WORDS = 1500


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text; `differs` if the other text has nothing like it at that place."""

    text: str
    differs: bool = False


Spans = tuple[Span, ...]
"""They make up a text."""


def spans(text: str) -> Spans:
    """A text without any mark; an empty one has no spans."""
    return (Span(text),) if text else ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer and the reference nearest to it.

    Attributes:
        nearest: which of the references it is; None if there was none to compare with.
    """

    answer: Spans
    reference: Spans = ()
    nearest: int | None = None


def compared(answer: str, references: Sequence[str]) -> Comparison:
    """Compare an answer with the reference that shares most words with it.

    Upper and lower case are told apart, as the measures do. Texts of more than 1,500 words are left unmarked, as the
    time of comparing grows with their square.
    """
    words = list(_WORDS.finditer(answer))
    best: SequenceMatcher[str] | None = None
    nearest = 0
    for place, reference in enumerate(references):
        if max(len(words), len(_WORDS.findall(reference))) > _MOST_WORDS:
            continue
        matcher = SequenceMatcher(None, [word[0] for word in words], _WORDS.findall(reference), autojunk=False)
        if best is None or matcher.ratio() > best.ratio():
            best, nearest = matcher, place
    if best is None:
        return Comparison(spans(answer))
    changes = [change for change in best.get_opcodes() if change[0] != "equal"]
    return Comparison(
        _marked(answer, [(first, last) for _, first, last, _, _ in changes]),
        _marked(references[nearest], [(first, last) for *_, first, last in changes]),
        nearest,
    )


def _marked(text: str, changed: Sequence[tuple[int, int]]) -> Spans:
    """Cut a text around ranges of its words, which are in order; the space between marked words is marked too."""
    words = list(_WORDS.finditer(text))
    parts, end = [], 0
    for first, last in changed:
        if first == last:
            continue
        begin, stop = words[first].start(), words[last - 1].end()
        parts += [Span(text[end:begin]), Span(text[begin:stop], differs=True)]
        end = stop
    return tuple(span for span in (*parts, Span(text[end:])) if span.text)
