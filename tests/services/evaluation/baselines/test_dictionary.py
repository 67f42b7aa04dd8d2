from collections import defaultdict

import pytest

from rondo_services.datasets.examples import Pair
from rondo_services.evaluation.baselines import dictionary
from rondo_services.evaluation.baselines.dictionary import Dictionary


def _pairs(*texts: tuple[str, str]) -> list[Pair]:
    return [Pair(source, target, "en", "de") for source, target in texts]


KNOWN = _pairs(("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch"))
"""The example with which the model is explained everywhere."""


def test_words_are_told_apart_by_what_they_occur_with() -> None:
    own = Dictionary(KNOWN)
    assert own.translate("a house, the book.") == "ein Haus, das Buch."
    assert len(own) == 4


def test_unknown_words_punctuation_and_white_space_are_copied() -> None:
    assert Dictionary(KNOWN).translate("the  zebra – (book)?\n“the house”") == "das  zebra – (Buch)?\n“das Haus”"


@pytest.mark.parametrize(("text", "translation"), [("The house", "Das Haus"), ("the house", "das Haus"), ("", "")])
def test_a_text_begins_as_the_source_does(text: str, translation: str) -> None:
    assert Dictionary(KNOWN).translate(text) == translation


def test_capitals_at_the_beginning_are_not_learned() -> None:
    """Most translations of "the" begin a text; the one that begins none tells how it is written."""
    pairs = _pairs(("the house", "Das Haus"), ("the book", "Das Buch"), ("see the tree", "sieh das Haus"))
    assert Dictionary(pairs).translate("a the") == "a das"


def test_korean_words_are_known_without_their_particles() -> None:
    pairs = [Pair("도서관은 멀다", "library far", "ko", "en"), Pair("도서관", "library", "ko", "en")]
    assert Dictionary(pairs).translate("도서관에서 바다를") == "Library 바다를"
    reversed_pairs = [Pair(own.target, own.source, "en", "ko") for own in pairs[:1]]
    assert Dictionary(reversed_pairs).translate("library") == "도서관은"  # particles of answers stay


def test_order_of_training_pairs_does_not_matter_and_equals_are_settled_by_the_alphabet() -> None:
    pairs = _pairs(("x", "b a c"), ("y", "c b a"))
    first, second = Dictionary(pairs), Dictionary(pairs[::-1])
    assert first.translate("x y") == second.translate("x y") == "a a"


def test_without_a_usable_pair_everything_is_copied() -> None:
    long = " ".join(["word"] * (dictionary.MOST_WORDS + 1))
    for pairs in ([], _pairs(("...", "!")), _pairs((long, "Wort")), _pairs(("word", long))):
        assert Dictionary(pairs).translate("word") == "word"


def test_the_table_is_that_of_a_slow_and_obvious_version(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(own.source.split(), own.target.split()) for own in _pairs(("a b b c", "x y"), ("c a", "y z x"))]
    table: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(dictionary.NUM_ITERATIONS):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for sources, targets in pairs:
            for target in targets:
                divisor = sum(table[source, target] for source in ["", *sources])
                for source in ["", *sources]:
                    counts[source, target] += table[source, target] / divisor
                    totals[source] += table[source, target] / divisor
        table = defaultdict(float, {key: count / totals[key[0]] for key, count in counts.items()})
    found = {}
    learned = dictionary._learned

    def kept(links: dictionary.Ints, positions: dictionary.Ints, sources: dictionary.Ints) -> dictionary.Floats:
        found["table"] = learned(links, positions, sources)
        return found["table"]

    monkeypatch.setattr(dictionary, "_learned", kept)
    dictionary._most_probable(pairs)
    assert found["table"].tolist() == pytest.approx([table[key] for key in sorted(table)])
