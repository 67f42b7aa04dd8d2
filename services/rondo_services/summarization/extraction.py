"""Chooses the salient sentences of a text that is too long to be read at once.

A sentence scores by how near its words are to the whole text's (TF-IDF centroid: Radev et al. 2004, "Centroid-based
summarization of multiple documents"), and a little for coming early. Time grows linearly with the text.
"""

import re
from collections.abc import Sequence
from itertools import chain

import numpy
from numpy.typing import NDArray

from ..giving_way import SENTENCES_AT_ONCE, giving_way

_WORD_BEGINNING = re.compile(r"([^\W_]{1,5})[^\W_]*")
_EARLY_BONUS = 0.2
_LEAST_LENGTH = 1e-9


def _terms(sentence: str) -> list[str]:
    """Words, cut to five letters so that inflected forms and Korean stems with particles meet."""
    return _WORD_BEGINNING.findall(sentence.lower())


def salience(sentences: Sequence[str]) -> NDArray[numpy.float64]:
    """A score a sentence; higher is more central."""
    terms = list(map(_terms, giving_way(sentences, SENTENCES_AT_ONCE)))
    words = list(chain.from_iterable(terms))
    numbers = {term: number for number, term in enumerate(dict.fromkeys(words))}
    bonus = _EARLY_BONUS * (1 - numpy.arange(len(sentences)) / len(sentences))
    if not numbers:
        return bonus
    ids = numpy.fromiter(map(numbers.__getitem__, words), numpy.int64, len(words))
    places = numpy.repeat(numpy.arange(len(sentences)), list(map(len, terms)))
    pairs, counts = numpy.unique(places * len(numbers) + ids, return_counts=True)
    places, pair_terms = numpy.divmod(pairs, len(numbers))
    rarity = numpy.log1p(len(sentences) / numpy.bincount(pair_terms))
    weights = numpy.bincount(ids) * rarity
    values = counts * rarity[pair_terms]
    products = numpy.bincount(places, values * weights[pair_terms], len(sentences))
    lengths = numpy.sqrt(numpy.bincount(places, values * values, len(sentences)))
    similarity: NDArray[numpy.float64] = products / (numpy.linalg.norm(weights) * numpy.maximum(lengths, _LEAST_LENGTH))
    return similarity + bonus


def extract(sentences: Sequence[str], budget: int, prices: Sequence[int]) -> list[int]:
    """Indices, in the text's order, of the most salient sentences that fit `budget` together.

    A sentence that alone is dearer than the budget is passed over, unless none fits: then the most salient is
    taken whole.

    Args:
        prices: of each sentence.
    """
    scores = salience(sentences)
    best_first = sorted(range(len(sentences)), key=lambda index: -scores[index])
    chosen, spent = [], 0
    for index in best_first:
        if spent + prices[index] <= budget:
            chosen.append(index)
            spent += prices[index]
    return sorted(chosen or best_first[:1])
