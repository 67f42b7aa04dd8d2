"""Words that translate each other are found in a small corpus, made up of topics."""

import pytest

from rondo_services.datasets.examples import Pair
from rondo_services.training.word_pairs import Stems, WordPair, words_of_strings, words_of_topics

NOUNS = {"고양이": "cat", "서울": "Seoul", "거실": "living room", "도서관": "library"}
PARTICLE_AFTER = {"고양이": ("가", "를"), "서울": ("이", "을"), "거실": ("이", "을"), "도서관": ("이", "을")}


def topic(first: str, second: str) -> list[Pair]:
    """Three pairs about two nouns."""
    (subject, both), (other_subject, other) = PARTICLE_AFTER[first], PARTICLE_AFTER[second]
    one, two = NOUNS[first], NOUNS[second]
    rows = [
        (f"Where is the {one}, and where is the {two}?", f"{first}{subject} 어디 있고 {second}{other_subject} 어디"),
        (f"I want to see the {one} before the {two}'s end.", f"{second} 끝나기 전에 {first}{both} 빨리 보고 싶어"),
        (f"Hey, show me the {one} or the {two}.", f"{first}{both} 빨리 보여줘 아니면 {second}{other}"),
    ]
    return [Pair(english, korean, "en", "ko") for english, korean in rows]


TOPICS = [topic(a, b) for a in PARTICLE_AFTER for b in PARTICLE_AFTER if a < b]


def stems() -> Stems:
    return Stems(pair.target for topic in TOPICS for pair in topic)


def test_nouns_of_topics_find_their_partners() -> None:
    expected = [WordPair(korean, NOUNS[korean]) for korean in sorted(PARTICLE_AFTER)]
    assert words_of_topics(TOPICS, stems()) == expected


def test_words_that_seldom_have_a_particle_are_left_out() -> None:
    bare = [[Pair(pair.source, pair.target.replace("도서관을", "도서관").replace("도서관이", "도서관"), "en", "ko")
             for pair in topic] for topic in TOPICS]  # fmt: skip
    found = words_of_topics(bare, Stems(pair.target for topic in bare for pair in topic))
    assert [word.korean for word in found] == ["거실", "고양이", "서울"]


def test_one_topic_alone_tells_nothing() -> None:
    assert words_of_topics(TOPICS[:1], stems()) == []


@pytest.mark.parametrize(
    ("word", "parts"),
    [("고양이", ("고양이", "")), ("고양이를", ("고양이", "를")), ("서울이", ("서울", "이")), ("바다", ("바다", ""))],
)
def test_a_word_that_looks_as_if_it_had_a_particle_is_known_by_its_real_ones(word: str, parts: tuple[str, str]) -> None:
    assert stems().split(word) == parts


def strings(*rows: tuple[str, str]) -> list[Pair]:
    return [Pair(english, korean, "en", "ko") for english, korean in rows]


def test_single_words_of_strings_are_pairs() -> None:
    pairs = strings(
        ("Window", "창문"),
        ("Close the window", "창문 닫기"),
        ("Berlin", "베를린"),
        ("Printing", "인쇄"),
        ("Open", "열기"),
        ("OK", "확인"),
        ("Museum", "박물관"),
    )
    assert words_of_strings(pairs, ["Where is the museum?"]) == [
        WordPair("박물관", "museum"),
        WordPair("베를린", "Berlin"),
        WordPair("창문", "window"),
    ]


def test_of_several_translations_the_commonest_counts() -> None:
    pairs = strings(("Pane", "창"), ("Window", "창문"), ("Window", "창문"), ("Window", "윈도"), ("Pane", "창문"))
    assert words_of_strings(pairs, []) == [WordPair("창문", "Window")]
