"""Shorter sentences without a trained network: all words, the first ones, and a linear tagger of words, their
neighbours and their place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from ...datasets.compression import KEEP
from ...datasets.examples import TaggedWords

Kept = list[list[bool]]
"""Of each text, which words are kept."""

_STRENGTHS = (0.03, 0.1, 0.3, 1.0)
_NEIGHBOURS = 3
_LAST_PLACES = 20
_TENTHS = 10
_LEAST_FREQUENT = 2


def expected_kept(examples: Sequence[TaggedWords]) -> Kept:
    """Which words should be kept."""
    return [[label == KEEP for label in example.labels] for example in examples]


def kept_share(train: Sequence[TaggedWords]) -> float:
    """Of all words of the training texts, how many are kept."""
    kept = [own for text in expected_kept(train) for own in text]
    return sum(kept) / len(kept)


def all_words(examples: Sequence[TaggedWords]) -> Kept:
    """Nothing is deleted."""
    return [[True] * len(example.labels) for example in examples]


def first_words(examples: Sequence[TaggedWords], share: float) -> Kept:
    """The same share of the words of each text, from its beginning, rounded."""
    lengths = [len(example.labels) for example in examples]
    return [[place < round(share * length) for place in range(length)] for length in lengths]


@dataclass(frozen=True, slots=True)
class LinearTagger:
    """A logistic regression of each word for itself.

    Attributes:
        kept: of the measured texts.
        strength: inverse of its penalty, the one with the best F1 on dev.
    """

    kept: Kept
    strength: float

    @staticmethod
    def learned(
        train: Sequence[TaggedWords], dev: Sequence[TaggedWords], measured: Sequence[TaggedWords]
    ) -> "LinearTagger":
        """Learn from `train`, choose on `dev`, and tag `measured`."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression

        vectorizer = CountVectorizer(analyzer=list, min_df=_LEAST_FREQUENT, dtype=numpy.float32)
        words, labels = vectorizer.fit_transform(_features(train)), _flat(train)
        dev_words, dev_labels = vectorizer.transform(_features(dev)), _flat(dev)
        models: list[tuple[float, float, Any]] = []
        for strength in _STRENGTHS:
            model = LogisticRegression(C=strength, solver="liblinear").fit(words, labels)
            models.append((_f1(model.predict(dev_words), dev_labels), strength, model))
        _, strength, best = max(models, key=lambda own: own[:2])
        found = iter(best.predict(vectorizer.transform(_features(measured))).tolist())
        return LinearTagger([[bool(next(found)) for _ in example.labels] for example in measured], strength)


def _flat(examples: Sequence[TaggedWords]) -> NDArray[numpy.bool_]:
    return numpy.array([own for text in expected_kept(examples) for own in text])


def _f1(kept: NDArray[numpy.bool_], expected: NDArray[numpy.bool_]) -> float:
    return float(2 * (kept & expected).sum() / max(1, kept.sum() + expected.sum()))


def _features(examples: Sequence[TaggedWords]) -> Iterator[list[str]]:
    """Of each word of all texts."""
    for example in examples:
        yield from _features_of(example)


def _features_of(example: TaggedWords) -> Iterator[list[str]]:
    """A word itself and its neighbours without case, pairs of them, its form and its place from both ends."""
    words = [example.text[begin:end] for begin, end in example.spans]
    lower = [word.lower() for word in words]
    length = len(words)

    def at(place: int) -> str:
        return lower[place] if 0 <= place < length else "<none>"

    for place, word in enumerate(words):
        own = [f"{offset}:{at(place + offset)}" for offset in range(-_NEIGHBOURS, _NEIGHBOURS + 1)]
        own += [f"{offset}+:{at(place + offset)} {at(place + offset + 1)}" for offset in (-1, 0)]
        own += [
            f"ends:{lower[place][-3:]}",
            f"form:{_form(word)}",
            f"before:{_form(words[place - 1]) if place else ''}",
        ]
        own += [f"from:{min(place, _LAST_PLACES)}", f"to:{min(length - 1 - place, _LAST_PLACES)}"]
        yield [*own, f"tenth:{_TENTHS * place // length}"]


def _form(word: str) -> str:
    if word.isupper():
        return "all capitals"
    if word[0].isupper():
        return "capital"
    if any(map(str.isdigit, word)):
        return "number"
    return "small" if word[0].isalpha() else "mark"
