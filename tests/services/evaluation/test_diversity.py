import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.evaluation import diversity
from rondo_services.evaluation.diversity import DistinctCounter, repetition


def test_repetition_by_hand() -> None:
    assert repetition([]) == 0
    assert repetition(["a", "a", "a"]) == 0
    assert repetition(["a", "b", "c", "d", "e"]) == 0
    assert repetition(["a", "a", "a", "a", "a", "a"]) == pytest.approx(2 / 3)  # three 4-grams, all alike
    assert repetition(["a", "b", "c", "d", "a", "b", "c", "d"]) == pytest.approx(1 / 5)


def test_distinct_by_hand() -> None:
    counter = DistinctCounter((1, 2, 3))
    counter.add(["a", "b", "a", "b"])
    counter.add(["b", "a"])  # no n-gram goes over the end of a text
    assert counter.shares() == {1: pytest.approx(2 / 6), 2: pytest.approx(2 / 4), 3: pytest.approx(2 / 2)}


def test_nothing_has_no_share() -> None:
    counter = DistinctCounter((1, 2))
    counter.add([])
    counter.add(["one"])
    assert counter.shares() == {1: 1.0, 2: None}


@given(st.lists(st.lists(st.sampled_from("abcdé한"), max_size=8), max_size=8), st.integers(1, 9))
def test_distinct_is_that_of_sets(texts: list[list[str]], waiting: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diversity, "_MOST_WAITING", waiting)
        counter = DistinctCounter((1, 2, 3))
        for words in texts:
            counter.add(words)
        for order, share in counter.shares().items():
            grams = [tuple(words[i : i + order]) for words in texts for i in range(len(words) - order + 1)]
            assert share == (pytest.approx(len(set(grams)) / len(grams)) if grams else None)


def test_many_are_estimated_from_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diversity, "_MOST_WAITING", 1000)
    counter = DistinctCounter((1, 2), most_kept=4000)
    generator = random.Random(1)
    seen: dict[int, set[tuple[int, ...]]] = {1: set(), 2: set()}
    totals = {1: 0, 2: 0}
    for _ in range(2000):
        numbers = generator.choices(range(20_000), k=10)
        counter.add([str(number) for number in numbers])
        for order in seen:
            grams = [tuple(numbers[i : i + order]) for i in range(len(numbers) - order + 1)]
            totals[order] += len(grams)
            seen[order].update(grams)
        assert counter.num_in_memory <= 1000 + 10 + 2 * 4000
    for order, share in counter.shares().items():
        assert share == pytest.approx(len(seen[order]) / totals[order], rel=0.06)  # four standard errors
