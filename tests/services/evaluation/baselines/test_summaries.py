import pytest

from rondo_services.datasets.examples import Pair
from rondo_services.evaluation.baselines.summaries import (
    lead_sentences,
    lead_words,
    lexrank,
    mean_words,
    nearest_neighbour,
)

KNOWN = [
    Pair("The heron program counts birds near a pond.", "bird counter", "en", "en"),
    Pair("This package draws maps of railway lines.", "railway map drawer", "en", "en"),
    Pair("작은 배를 위한 지도 프로그램입니다.", "배 지도", "ko", "ko"),
]


def test_first_words() -> None:
    assert lead_words(["one two  three\nfour", "one", ""], 3) == ["one two three", "one", ""]


def test_first_sentences() -> None:
    assert lead_sentences(["One two. Three.", "  four\nfive ", ""]) == ["One two.", "four", ""]


def test_mean_length_of_summaries() -> None:
    assert mean_words(KNOWN) == 2
    assert mean_words([Pair("a", "", "en", "en")]) == 1


def test_the_nearest_text_gives_its_summary() -> None:
    texts = ["A program which draws railway lines on maps", "배 지도 프로그램입니다", "count the BIRDS"]
    assert nearest_neighbour(texts, KNOWN) == ["railway map drawer", "배 지도", "bird counter"]


def test_a_text_without_a_known_word_still_has_a_summary() -> None:
    assert nearest_neighbour(["zzz"], KNOWN)[0] in [pair.target for pair in KNOWN]


def test_lexrank_takes_the_central_sentence() -> None:
    text = (
        "Yesterday it rained. "
        "The old harbour bridge needs new stones. "
        "The harbour needs a bridge. "
        "Old stones of the bridge fall down."
    )
    assert lexrank([text]) == ["The old harbour bridge needs new stones."]


@pytest.mark.parametrize(
    ("text", "summary"), [("", ""), ("word", "word"), ("다리를 고친다. 다리를 고쳤다.", "다리를 고친다.")]
)
def test_lexrank_of_short_texts(text: str, summary: str) -> None:
    assert lexrank([text]) == [summary]
