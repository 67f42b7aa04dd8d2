"""Chooses the salient sentences of a text that is too long to be read at once.

A sentence scores by how near its words are to the whole text's (TF-IDF centroid: Radev et al. 2004, "Centroid-based
summarization of multiple documents"), and a little for coming early. Time grows linearly with the text.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

_WORD = re.compile(r"[^\W_]+")
_EARLY_BONUS = 0.2


def _terms(sentence: str) -> list[str]:
    """Words, cut to five letters so that inflected forms and Korean stems with particles meet."""
    return [word.lower()[:5] for word in _WORD.findall(sentence)]


def salience(sentences: Sequence[str]) -> list[float]:
    """A score a sentence; higher is more central."""
    terms = list(map(_terms, sentences))
    counts_of = list(map(Counter, terms))
    containing = Counter(chain.from_iterable(counts_of))
    rarity = {term: math.log(1 + len(sentences) / count) for term, count in containing.items()}
    weights = {term: count * rarity[term] for term, count in Counter(chain.from_iterable(terms)).items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    scores = []
    for position, counts in enumerate(counts_of):
        product = square = 0.0
        for term, count in counts.items():
            value = count * rarity[term]
            product += value * weights[term]
            square += value * value
        similarity = product / (length * (math.sqrt(square) or 1.0))
        scores.append(similarity + _EARLY_BONUS * (1 - position / len(sentences)))
    return scores


def extract(sentences: Sequence[str], budget: int, cost: Callable[[Sequence[str]], list[int]]) -> list[int]:
    """Indices, in the text's order, of the most salient sentences that fit `budget` together.

    A sentence that alone is dearer than the budget is passed over, unless none fits: then the most salient is
    taken whole.

    Args:
        cost: of each sentence, of all at once.
    """
    scores = salience(sentences)
    best_first = sorted(range(len(sentences)), key=lambda index: -scores[index])
    prices = cost(sentences)
    chosen, spent = [], 0
    for index in best_first:
        if spent + prices[index] <= budget:
            chosen.append(index)
            spent += prices[index]
    return sorted(chosen or best_first[:1])
