"""Chooses the salient sentences of a text that is too long to be read at once.

A sentence scores by how near its words are to the whole text's (TF-IDF centroid: Radev et al. 2004, "Centroid-based
summarization of multiple documents"), and a little for coming early. Time grows linearly with the text.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

_WORD = re.compile(r"[^\W_]+")
_EARLY_BONUS = 0.2


def _terms(sentence: str) -> Counter[str]:
    """Words, cut to five letters so that inflected forms and Korean stems with particles meet."""
    return Counter(word.lower()[:5] for word in _WORD.findall(sentence))


def salience(sentences: Sequence[str]) -> list[float]:
    """A score a sentence; higher is more central."""
    terms = [_terms(sentence) for sentence in sentences]
    containing = Counter(term for counts in terms for term in counts)
    rarity = {term: math.log(1 + len(sentences) / count) for term, count in containing.items()}
    centroid: Counter[str] = Counter()
    for counts in terms:
        centroid.update(counts)
    weights = {term: count * rarity[term] for term, count in centroid.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    scores = []
    for position, counts in enumerate(terms):
        own = {term: count * rarity[term] for term, count in counts.items()}
        own_length = math.sqrt(sum(value * value for value in own.values())) or 1.0
        similarity = sum(value * weights[term] for term, value in own.items()) / (length * own_length)
        scores.append(similarity + _EARLY_BONUS * (1 - position / len(sentences)))
    return scores


def extract(sentences: Sequence[str], budget: int, cost: Callable[[str], int]) -> list[int]:
    """Indices, in the text's order, of the most salient sentences that fit `budget` together.

    A sentence that alone is dearer than the budget is passed over, unless none fits: then the most salient is
    taken whole.
    """
    scores = salience(sentences)
    best_first = sorted(range(len(sentences)), key=lambda index: -scores[index])
    chosen, spent = [], 0
    for index in best_first:
        price = cost(sentences[index])
        if spent + price <= budget:
            chosen.append(index)
            spent += price
    return sorted(chosen or best_first[:1])
