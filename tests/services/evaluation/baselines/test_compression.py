import pytest

from rondo_services.datasets.examples import TaggedWords
from rondo_services.evaluation.baselines.compression import (
    LinearTagger,
    all_words,
    expected_kept,
    first_words,
    kept_share,
)
from rondo_tokenizers.words import split_words


def tagged(text: str, deleted: str) -> TaggedWords:
    spans = tuple(split_words(text))
    labels = tuple("delete" if text[begin:end] in deleted.split() else "keep" for begin, end in spans)
    return TaggedWords(text, spans, labels, "en")


TRAIN = [
    tagged(f"On {day} the {kind} {thing} was {how} slow.", f"On {day} {kind} {how}")
    for day in ("Monday", "Friday")
    for kind in ("old", "red", "small")
    for thing in ("boat", "train", "ferry")
    for how in ("very", "rather")
]


def test_all_and_first_words() -> None:
    example = tagged("a b c d e", "d e")
    assert kept_share([example]) == 0.6
    assert all_words([example]) == [[True] * 5]
    assert first_words([example, tagged("a b", "")], 0.6) == [[True, True, True, False, False], [True, False]]


def test_a_linear_tagger_learns_words_and_places() -> None:
    unseen = [tagged("On Tuesday the old ferry was rather slow.", "On Tuesday old rather")]
    learned = LinearTagger.learned(TRAIN, TRAIN[::3], unseen)
    assert learned.kept == expected_kept(unseen)
    assert learned.strength in (0.03, 0.1, 0.3, 1.0)


def test_the_strength_is_chosen_on_dev() -> None:
    """A dev set in which nothing is kept tells nothing, so that the last of equals is taken."""
    nothing = [tagged("On Monday the boat", "On Monday the boat")]
    assert LinearTagger.learned(TRAIN, nothing, nothing).strength == pytest.approx(1.0)
