"""Translation word for word: each word becomes what IBM Model 1 (Brown et al. 1993) finds most probable for it.

Words stand in the source's order, and between them what stands there; a word that no training text has is copied. Of
Korean, a word is looked up without its particle, which is left untranslated.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy
from numpy.typing import NDArray

from rondo_tokenizers.particles import split

from ...datasets.examples import Pair

Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]

NUM_ITERATIONS = 5
MOST_WORDS = 60
"""Of either text of a pair; longer ones are left out, as all words of one are linked to all of the other."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_NO_WORD = ""
"""To which words belong that translate none."""


class Dictionary:
    """The most probable word for each word."""

    def __init__(self, train: Sequence[Pair]) -> None:
        """Learn it in `NUM_ITERATIONS` rounds of expectation and maximisation, from a uniform table."""
        cased = _usual_case(pair.target for pair in train)
        pairs = [(_sources(pair), _targets(pair.target, cased)) for pair in train]
        pairs = [(own, other) for own, other in pairs if 0 < len(own) <= MOST_WORDS and 0 < len(other) <= MOST_WORDS]
        self._words = _most_probable(pairs)
        self._source_language = train[0].source_language if train else ""

    def __len__(self) -> int:
        return len(self._words)

    def translate(self, text: str) -> str:
        """Word for word; the first letter is a capital, unless the source's is small."""
        translated = _WORD.sub(lambda word: self._words.get(_known_as(word[0], self._source_language), word[0]), text)
        return translated if text[:1].islower() else translated[:1].upper() + translated[1:]


def _known_as(word: str, language: str) -> str:
    return (split(word)[0] if language == "ko" else word).casefold()


def _sources(pair: Pair) -> list[str]:
    return [_known_as(word, pair.source_language) for word in _WORD.findall(pair.source)]


def _usual_case(texts: Iterable[str]) -> dict[str, str]:
    """How each word is written most often where it does not begin a text."""
    spellings = Counter(word for text in texts for word in _WORD.findall(text)[1:])
    usual: dict[str, str] = {}
    for word, _ in sorted(spellings.items(), key=lambda own: (-own[1], own[0])):
        usual.setdefault(word.casefold(), word)
    return usual


def _targets(text: str, usual_case: dict[str, str]) -> list[str]:
    """Words as they are, but the first as it is usual."""
    words = _WORD.findall(text)
    return [*(usual_case.get(word.casefold(), word) for word in words[:1]), *words[1:]]


def _most_probable(pairs: Sequence[tuple[list[str], list[str]]]) -> dict[str, str]:
    """For each source word the target word of the greatest probability; of equals the first in alphabetical order."""
    if not pairs:
        return {}
    source_words = sorted({word for own, _ in pairs for word in own} | {_NO_WORD})
    target_words = sorted({word for _, other in pairs for word in other})
    source_ids = {word: number for number, word in enumerate(source_words)}
    target_ids = {word: number for number, word in enumerate(target_words)}
    keys, positions = _links(pairs, source_ids, target_ids)
    entries, links = numpy.unique(keys, return_inverse=True)
    sources, targets = numpy.divmod(entries, len(target_ids))
    table = _learned(links, positions, sources)
    # by source, then the most probable, then the first of the alphabet
    order = numpy.lexsort((targets, -table, sources))
    _, firsts = numpy.unique(sources[order], return_index=True)
    best = order[firsts]
    return {
        source_words[source]: target_words[target]
        for source, target in zip(sources[best], targets[best], strict=True)
        if source_words[source] != _NO_WORD
    }


def _links(
    pairs: Sequence[tuple[list[str], list[str]]], source_ids: dict[str, int], target_ids: dict[str, int]
) -> tuple[Ints, Ints]:
    """Every source word of a pair, and no word, with every target word: (links,) each.

    Returns:
        which entry of the table it is, and which target word of all texts it leads to.
    """
    keys, positions, num_targets = [], [], 0
    for own, other in pairs:
        source = numpy.array([source_ids[word] for word in (_NO_WORD, *own)], dtype=numpy.int64)
        target = numpy.array([target_ids[word] for word in other], dtype=numpy.int64)
        keys.append((source[:, None] * len(target_ids) + target).ravel())
        places = numpy.arange(num_targets, num_targets + len(other), dtype=numpy.int64)
        positions.append(numpy.tile(places, len(source)))
        num_targets += len(other)
    return numpy.concatenate(keys), numpy.concatenate(positions)


def _learned(links: Ints, positions: Ints, sources: Ints) -> Floats:
    """The probability of each entry's target word, given its source word: (entries,)."""
    table = numpy.ones(len(sources))
    for _ in range(NUM_ITERATIONS):
        weights = table[links]
        weights /= numpy.bincount(positions, weights=weights)[positions]
        counts = numpy.bincount(links, weights=weights, minlength=len(table))
        table = counts / numpy.bincount(sources, weights=counts)[sources]
    return table
