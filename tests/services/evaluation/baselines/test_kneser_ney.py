import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy
import pytest

from rondo_services.evaluation.baselines.kneser_ney import Ids, KneserNey

VOCABULARY = 7
CORPUS = [0, 1, 2, 0, 1, 3, 0, 1, 2, 4, 0, 5, 2, 0, 1, 2, 2, 4, 4, 0, 1, 3, 3, 0]


def array(ids: Sequence[int]) -> Ids:
    return numpy.array(ids, dtype=numpy.int64)


class Reference:
    """The textbook's recursion over plain dictionaries of n-gram tuples."""

    def __init__(self, train: Sequence[int], order: int) -> None:
        self.order = order
        self.after: list[dict[tuple[int, ...], Counter[int]]] = []
        self.discounts: list[float] = []
        for length in range(1, order + 1):
            counts: Counter[tuple[int, ...]] = Counter()
            if length == order:
                counts.update(_ngrams(train, length))
            else:
                counts.update(longer[1:] for longer in set(_ngrams(train, length + 1)))
            after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
            for ngram, count in counts.items():
                after[ngram[:-1]][ngram[-1]] = count
            self.after.append(after)
            ones, twos = (sum(1 for count in counts.values() if count == n) for n in (1, 2))
            self.discounts.append(ones / (ones + 2 * twos) if ones else 0.5)

    def probability(self, history: Sequence[int], word: int) -> float:
        probability = 1 / VOCABULARY
        for length in range(1, self.order + 1):
            if len(history) < length - 1:
                break
            counts = self.after[length - 1].get(tuple(history[len(history) - length + 1 :]))
            if not counts:
                continue
            discount, total = self.discounts[length - 1], sum(counts.values())
            back_off = discount * len(counts) / total
            probability = max(counts[word] - discount, 0) / total + back_off * probability
        return probability


def _ngrams(ids: Sequence[int], length: int) -> list[tuple[int, ...]]:
    return [tuple(ids[begin : begin + length]) for begin in range(len(ids) - length + 1)]


def probability(model: KneserNey, history: Sequence[int], word: int) -> float:
    before = model.log_likelihood(array(history)) if history else 0.0
    return math.exp(model.log_likelihood(array([*history, word])) - before)


def test_bigrams_by_hand() -> None:
    # 0 1 0 2 0 1: bigrams 01 twice, 10, 02, 20 once each, so D2 = 3 / (3 + 2);
    # different words before: 0 has 1 and 2, 1 has 0, 2 has 0, so D1 = 2 / (2 + 2).
    model = KneserNey(array([0, 1, 0, 2, 0, 1]), 3, order=2)
    discount, lower_discount = 3 / 5, 1 / 2
    unigram_1 = (1 - lower_discount) / 4 + lower_discount * 3 / 4 / 3
    expected = (2 - discount) / 3 + discount * 2 / 3 * unigram_1
    assert probability(model, [0], 1) == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_plain_recursion(order: int) -> None:
    model, reference = KneserNey(array(CORPUS), VOCABULARY, order), Reference(CORPUS, order)
    for history in ([], [0], [1], [6], [0, 1], [1, 0], [6, 6], [0, 1, 2], [2, 0, 1, 2], [5, 5, 0, 1], CORPUS):
        for word in range(VOCABULARY):
            assert probability(model, history, word) == pytest.approx(reference.probability(history, word), rel=1e-9)


@pytest.mark.parametrize("order", [2, 3])
def test_probabilities_fit_on_random_text(order: int) -> None:
    rng = random.Random(order)
    train = [rng.choice([0, 1, 1, 2, 2, 2, 3, 4, 5]) for _ in range(300)]
    test = [rng.randrange(VOCABULARY) for _ in range(60)]
    model, reference = KneserNey(array(train), VOCABULARY, order), Reference(train, order)
    expected = sum(math.log(reference.probability(test[:position], test[position])) for position in range(len(test)))
    assert model.log_likelihood(array(test)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_distribution_after_any_history_sums_to_one(order: int) -> None:
    model = KneserNey(array(CORPUS), VOCABULARY, order)
    rng = random.Random(0)
    histories = [[], [6], CORPUS, *([rng.randrange(VOCABULARY) for _ in range(length)] for length in range(1, 12))]
    for history in histories:
        probabilities = [probability(model, history, word) for word in range(VOCABULARY)]
        assert sum(probabilities) == pytest.approx(1)
        assert min(probabilities) > 0


def test_structured_text_is_less_perplexing_with_context() -> None:
    rng = random.Random(1)
    follows = {0: [1, 2], 1: [3], 2: [4], 3: [0], 4: [5, 0], 5: [0]}

    def walk(length: int) -> list[int]:
        path = [0]
        while len(path) < length:
            path.append(rng.choice(follows[path[-1]]))
        return path

    train, test = array(walk(2000)), array(walk(500))
    perplexities = [KneserNey(train, VOCABULARY, order).perplexity(test) for order in (1, 2, 3)]
    assert perplexities[1] < 0.5 * perplexities[0]
    assert perplexities[2] < 1.05 * perplexities[1]
    assert perplexities[1] < 2


def test_continuation_counts_beat_plain_ones_for_a_word_of_one_context() -> None:
    """The case the method is known for: a frequent word that follows only one other is unlikely after a new one."""
    train = [0, 1] * 20 + [2, 3, 4, 3, 5, 3, 0, 3, 2, 4]
    model = KneserNey(array(train), VOCABULARY, 2)
    assert train.count(1) > train.count(3)
    assert probability(model, [6], 3) > probability(model, [6], 1)


def test_perplexity_is_the_inverse_of_the_mean_probability() -> None:
    model = KneserNey(array(CORPUS), VOCABULARY, 3)
    ids = array([0, 1, 2])
    assert model.perplexity(ids) == pytest.approx(math.exp(-model.log_likelihood(ids) / 3))
