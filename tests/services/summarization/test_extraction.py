"""Which sentences of a long text are taken."""

import math
from collections import Counter

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.summarization.extraction import extract, salience

BONUS = 0.2
words = st.sampled_from(["boat", "Boats", "boatswain", "pond", "Straße", "배는", "배를", "İ", "_", "2024", "...", "-"])
sentences = st.lists(st.lists(words, max_size=6).map(" ".join), min_size=1, max_size=8)


def _plain(texts: list[str]) -> list[float]:
    """The definition, word by word."""
    counts = [Counter(_beginnings(text)) for text in texts]
    rarity = {t: math.log(1 + len(texts) / sum(t in own for own in counts)) for own in counts for t in own}
    centroid = {term: sum(own[term] for own in counts) * weight for term, weight in rarity.items()}
    scores = []
    for place, own in enumerate(counts):
        values = {term: count * rarity[term] for term, count in own.items()}
        lengths = math.hypot(*values.values()) * math.hypot(*centroid.values())
        similarity = sum(value * centroid[term] for term, value in values.items()) / lengths if lengths else 0.0
        scores.append(similarity + BONUS * (1 - place / len(texts)))
    return scores


def _beginnings(text: str) -> list[str]:
    kept = "".join(character if character.isalnum() else " " for character in text.lower())
    return [word[:5] for word in kept.split()]


@given(sentences)
def test_a_sentence_scores_by_its_nearness_to_the_text(texts: list[str]) -> None:
    numpy.testing.assert_allclose(salience(texts), _plain(texts), atol=1e-12)


def test_the_most_salient_that_fit_are_taken_in_their_order() -> None:
    texts = ["Nothing here.", "The boat on the pond.", "A boat, a pond, the boat.", "Quite another matter."]
    best, second = sorted(range(4), key=lambda place: -salience(texts)[place])[:2]
    assert extract(texts, 10, [5, 5, 5, 5]) == sorted([best, second])
    assert extract(texts, 9, [5, 5, 5, 5]) == [best]


def test_one_that_alone_is_too_dear_is_passed_over() -> None:
    texts = ["The boat on the pond.", "A boat, a pond, the boat.", "Quite another matter."]
    assert extract(texts, 5, [9, 9, 5]) == [2]


def test_if_all_are_too_dear_the_most_salient_is_taken() -> None:
    texts = ["The boat on the pond.", "Quite another matter."]
    assert extract(texts, 4, [9, 9]) == [0]


@pytest.mark.parametrize("text", ["", "...", "_"])
def test_without_words_coming_early_decides(text: str) -> None:
    assert salience([text, text]).tolist() == [BONUS, BONUS / 2]
