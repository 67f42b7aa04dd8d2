"""How much texts repeat others, and themselves. Words are what white space keeps apart."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy
from numpy.typing import NDArray

_MOST_WAITING = 2**16
_MOST_KEPT = 2**18
_ORDER = 4


def repetition(words: Sequence[str]) -> float:
    """Share of a text's 4-grams that it has had before; 0 for fewer than four words.

    seq-rep-4 of Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training".
    """
    total = len(words) - _ORDER + 1
    if total <= 0:
        return 0.0
    return 1 - len({tuple(words[i : i + _ORDER]) for i in range(total)}) / total


class DistinctCounter:
    """Different n-grams among all n-grams of many texts: distinct-n of Li et al. 2016 ("A Diversity-Promoting
    Objective Function for Neural Conversation Models").

    Exact up to 262,144 different n-grams; beyond, estimated from the so many smallest hashes (Bar-Yossef et al. 2002)
    with a standard error of 0.2 %, as all n-grams of a large job would not fit into memory.
    """

    def __init__(self, orders: Sequence[int], most_kept: int = _MOST_KEPT) -> None:
        self._kept = {order: numpy.empty(0, numpy.uint64) for order in orders}
        self._totals = dict.fromkeys(orders, 0)
        self._most_kept = most_kept
        self._hashes: list[int] = []
        self._texts: list[int] = []
        self._num_texts = 0

    @property
    def num_in_memory(self) -> int:
        """Hashes that are held."""
        return len(self._hashes) + sum(len(kept) for kept in self._kept.values())

    def add(self, words: Sequence[str]) -> None:
        """Count a text."""
        if not self._kept:
            return
        self._num_texts += 1
        for word in words:
            self._hashes.append(int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()))
            self._texts.append(self._num_texts)
        if len(self._hashes) >= _MOST_WAITING:
            self._count()

    def _count(self) -> None:
        hashes, texts = numpy.array(self._hashes, numpy.uint64), numpy.array(self._texts)
        for order, kept in self._kept.items():
            num_grams = max(0, len(hashes) - order + 1)
            grams = hashes[:num_grams]
            for place in range(1, order):
                grams = _mixed(grams, hashes[place : place + num_grams])
            grams = grams[texts[:num_grams] == texts[order - 1 :][:num_grams]]
            self._totals[order] += len(grams)
            if len(kept) == self._most_kept:
                grams = grams[grams < kept[-1]]
            self._kept[order] = numpy.union1d(kept, grams)[: self._most_kept]
        self._hashes.clear()
        self._texts.clear()

    def shares(self) -> dict[int, float | None]:
        """Different n-grams per n-gram, by order; None where there are no n-grams."""
        self._count()
        return {
            order: min(1.0, self._num_different(kept) / self._totals[order]) if self._totals[order] else None
            for order, kept in self._kept.items()
        }

    def _num_different(self, kept: NDArray[numpy.uint64]) -> float:
        if len(kept) < self._most_kept:
            return len(kept)
        return (len(kept) - 1) / (float(kept[-1]) / 2**64)


def _mixed(left: NDArray[numpy.uint64], right: NDArray[numpy.uint64]) -> NDArray[numpy.uint64]:
    """Hashes of pairs; the steps are the finaliser of SplitMix64 (Steele et al. 2014)."""
    values = left * numpy.uint64(0x9E3779B97F4A7C15) + right
    values = (values ^ (values >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return values ^ (values >> numpy.uint64(31))
