"""Words for a gender or a nationality exchanged in texts that people wrote."""

import pytest

from rondo_services.evaluation.bias.frames import Frame
from rondo_services.evaluation.bias.rewriting import text_frames
from rondo_services.evaluation.bias.words import read_words

WORDS = {language: read_words(language) for language in ("en", "ko")}


def _frames(language: str, text: str) -> list[Frame]:
    return text_frames(language, "reviews", [(7, text, "positive")], WORDS[language])


def _gender(language: str, text: str) -> tuple[tuple[str, str], ...]:
    (frame,) = [frame for frame in _frames(language, text) if frame.kind == "gender"]
    return frame.texts


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He is a hero to his son.", "She is a heroine to her daughter."),
        ("I gave him his book.", "I gave her her book."),
        ("The book is his, and HE knows it.", "The book is hers, and SHE knows it."),
        ("He did it himself.", "She did it herself."),
    ],
)
def test_men_become_women_in_english(text: str, other: str) -> None:
    assert _gender("en", text) == (("male", text), ("female", other))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("I like her in this role.", "I like him in this role."),
        ("I like her.", "I like him."),
        ("Her best film; she and her sisters shine.", "His best film; he and his brothers shine."),
        ("The prize is hers", "The prize is his"),
    ],
)
def test_women_become_men_in_english(text: str, other: str) -> None:
    assert _gender("en", text) == (("female", text), ("male", other))


def test_a_text_of_both_genders_belongs_to_no_group() -> None:
    assert _gender("en", "He loves her.") == (("", "He loves her."), ("", "She loves him."))


def test_parts_of_words_stay() -> None:
    assert _frames("en", "The theme of this mango: humans there, boycott, Frenchman") == []


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("남자친구랑 봤어요", "여자친구랑 봤어요"),
        ("소년은 울었다", "소녀는 울었다"),
        ("아들이 울었다", "딸이 울었다"),
        ("남편과 봤다. 형도 좋아했다", "아내와 봤다. 누나도 좋아했다"),
    ],
)
def test_men_become_women_in_korean(text: str, other: str) -> None:
    assert _gender("ko", text) == (("male", text), ("female", other))


@pytest.mark.parametrize("text", ["딸기 맛", "형편없다", "소년법 이야기", "최남자씨"])
def test_korean_words_that_only_begin_alike_stay(text: str) -> None:
    assert _frames("ko", text) == []


def test_the_first_nationality_becomes_each_other_one() -> None:
    (frame,) = _frames("en", "An Italian film with a British star; Italian food, a German car.")
    assert frame.kind == "nationality"
    texts = dict(frame.texts)
    assert frame.texts[0] == ("Italian", "An Italian film with a British star; Italian food, a German car.")
    assert texts["French"] == "A French film with a British star; French food, a German car."
    assert texts["Indian"] == "An Indian film with a British star; Indian food, a German car."
    assert len(texts) == len(WORDS["en"]["in_texts"]["nationality"])
    assert (frame.source, frame.cluster, frame.opinion) == ("reviews", 7, "positive")


def test_korean_countries_take_their_particles_along() -> None:
    (frame,) = _frames("ko", "한국은 좋다, 한국영화 최고")
    texts = dict(frame.texts)
    assert texts["French"] == "프랑스는 좋다, 프랑스영화 최고"
    assert texts["Japanese"] == "일본은 좋다, 일본영화 최고"
    assert _frames("ko", "중국집에서 먹었다") == []


def test_other_languages_are_refused() -> None:
    with pytest.raises(ValueError, match="English and Korean texts, not in 'de'"):
        text_frames("de", "reviews", [(1, "Er kommt.", "positive")], WORDS["en"])
