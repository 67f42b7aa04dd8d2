"""Interpolated Kneser-Ney n-gram language model over word ids (Kneser & Ney 1995; Chen & Goodman 1999).

All counts of an order stand in sorted arrays, so that training and scoring are a few array operations. An n-gram
is named by the pair (number of its first n-1 words' n-gram, last word).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Ids = NDArray[numpy.int64]


@dataclass(frozen=True, slots=True)
class _Order:
    """Counts of one order.

    Attributes:
        keys: (n-grams,), sorted: context number times vocabulary size plus last word.
        counts: (n-grams,): occurrences for the highest order, else how many different words come before.
        context_totals: (contexts,), the sum of the counts after each context.
        context_types: (contexts,), how many different words follow each context.
        discount: taken off each count.
    """

    keys: Ids
    counts: Ids
    context_totals: Ids
    context_types: Ids
    discount: float


class KneserNey:
    """A model of `order`-grams over ids below `vocabulary_size`, with one discount n1 / (n1 + 2 n2) an order."""

    def __init__(self, train: Ids, vocabulary_size: int, order: int = 5) -> None:
        self.vocabulary_size = vocabulary_size
        self.order = order
        numbers = self._ngram_numbers(train, None)
        self._orders = [self._count(train, numbers, length, highest=length == order) for length in range(1, order + 1)]

    def _ngram_numbers(self, ids: Ids, known: Sequence[Ids] | None) -> list[Ids]:
        """For each length 0…order-1, the number of the n-gram that ends at each position; -1 where unknown."""
        self_keys: list[Ids] = []
        numbers: list[Ids] = [numpy.zeros(len(ids), dtype=numpy.int64)]
        for length in range(1, self.order):
            previous = numpy.full(len(ids), -1, dtype=numpy.int64)
            previous[length - 1 :] = numbers[0][length - 1 :] if length == 1 else numbers[length - 1][length - 2 : -1]
            keys = numpy.where(previous >= 0, previous * self.vocabulary_size + ids, -1)
            if known is None:
                unique = numpy.unique(keys[keys >= 0])
                self_keys.append(unique)
            else:
                unique = known[length - 1]
            numbers.append(_find(unique, keys))
        if known is None:
            self._number_keys = self_keys
        return numbers

    def _count(self, ids: Ids, numbers: list[Ids], length: int, *, highest: bool) -> _Order:
        context = self._contexts(numbers, length, len(ids))
        valid = context >= 0
        keys = context[valid] * self.vocabulary_size + ids[valid]
        if highest:
            unique, counts = numpy.unique(keys, return_counts=True)
        else:
            longer = self._contexts(numbers, length + 1, len(ids))
            both = longer >= 0
            pairs = numpy.unique(numpy.stack([context[both] * self.vocabulary_size + ids[both], longer[both]]), axis=1)
            unique, counts = numpy.unique(pairs[0], return_counts=True)
        num_contexts = 1 if length == 1 else len(self._number_keys[length - 2])
        owners = unique // self.vocabulary_size
        ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
        return _Order(
            unique,
            counts,
            numpy.bincount(owners, weights=counts, minlength=num_contexts).astype(numpy.int64),
            numpy.bincount(owners, minlength=num_contexts),
            ones / (ones + 2 * twos) if ones else 0.5,
        )

    @staticmethod
    def _contexts(numbers: list[Ids], length: int, size: int) -> Ids:
        """The number of the (length-1)-gram before each position, -1 where there is none."""
        context = numpy.full(size, -1, dtype=numpy.int64)
        if length == 1:
            context[:] = 0
        else:
            context[1:] = numbers[length - 1][:-1]
        return context

    def log_likelihood(self, ids: Ids) -> float:
        """Natural log-probability of all of `ids`, each given the words before it in `ids`."""
        numbers = self._ngram_numbers(ids, self._number_keys)
        probability = numpy.full(len(ids), 1 / self.vocabulary_size)
        for length, order in enumerate(self._orders, 1):
            context = self._contexts(numbers, length, len(ids))
            safe = numpy.maximum(context, 0)
            totals = numpy.where(context >= 0, order.context_totals[safe], 0)
            position = _find(order.keys, numpy.where(context >= 0, context * self.vocabulary_size + ids, -1))
            counts = numpy.where(position >= 0, order.counts[numpy.maximum(position, 0)], 0)
            seen = totals > 0
            divisor = numpy.maximum(totals, 1)
            direct = numpy.maximum(counts - order.discount, 0) / divisor
            back_off = order.discount * order.context_types[safe] / divisor
            probability = numpy.where(seen, direct + back_off * probability, probability)
        return float(numpy.log(probability).sum())

    def perplexity(self, ids: Ids) -> float:
        """exp of the mean negative log-probability of a word."""
        return math.exp(-self.log_likelihood(ids) / len(ids))


def _find(sorted_keys: Ids, keys: Ids) -> Ids:
    """The position of each key in `sorted_keys`, or -1."""
    if len(sorted_keys) == 0:
        return numpy.full(len(keys), -1, dtype=numpy.int64)
    position = numpy.minimum(numpy.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return numpy.where(sorted_keys[position] == keys, position, -1)
