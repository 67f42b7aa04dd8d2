import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.language_names import LANGUAGES
from rondo_tokenizers.languages import CANDIDATES, UNKNOWN_LANGUAGE, detect_language, identify_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The small red boat sails over the quiet lake this morning.", "en"),
        ("Where did you put the keys of the house?", "en"),
        ("Ein kleines rotes Boot fährt heute über den stillen See.", "de"),
        ("Wo hast du die Schlüssel hingelegt?", "de"),
        ("작은 빨간 배가 조용한 호수 위를 지나간다.", "ko"),
        ("열쇠를 어디에 두었어요?", "ko"),
        ("Le petit bateau rouge traverse le lac tranquille ce matin.", "fr"),
        ("Où as-tu mis les clés de la maison ?", "fr"),
    ],
)
def test_sentences(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["", "   \n", "2024-01-31", "😀👍🏽🇰🇷", "?!…", "___", "\0", "12 + 30 = 42"])
def test_no_letters_no_language(text: str) -> None:
    assert detect_language(text) == UNKNOWN_LANGUAGE


@pytest.mark.parametrize(
    "text", ["안녕", "ㅋㅋㅋ", "ㅠㅠ", "영화 good 좋아요", "1편보다 재밌다", "ㅎㅎㅎㅎ nice", "\u1112"]
)
def test_hangul_is_korean(text: str) -> None:
    assert detect_language(text) == "ko"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("See https://ko.wikipedia.org/wiki/한국어 for more.", "en"),
        ("https://example.com/some/very/long/path/index.html 를 보세요", "ko"),
        ("Schreib an orders.and.invoices@example.com", "de"),
        ("https://example.com/the/house", "en"),
    ],
)
def test_addresses_are_in_no_language_beside_others(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_separate_jamo_are_korean() -> None:
    assert detect_language(unicodedata.normalize("NFD", "조용한 항구")) == "ko"


def test_a_korean_word_does_not_make_a_text_korean() -> None:
    assert detect_language("The word 배 means a boat, a pear or a belly, as the sentence tells.") == "en"


@pytest.mark.parametrize("text", ["ok", "Hallo", "Danke", "x"])
def test_a_word_is_in_a_language_that_is_served(text: str) -> None:
    assert detect_language(text) in LANGUAGES


@pytest.mark.parametrize(("text", "likely", "language"), [("merci", ["en", "fr"], "fr"), ("merci", ["de"], "de")])
def test_a_word_is_in_one_of_the_likely_languages(text: str, likely: list[str], language: str) -> None:
    assert detect_language(text, likely) == identify_language(text, likely).language == language
    assert detect_language("Wo hast du die Schlüssel hingelegt?", ["fr"]) == "de"


@pytest.mark.parametrize(
    ("text", "likely", "language"),
    [
        ("A warm, funny film.", ["en", "de", "ko"], "en"),
        ("A warm, funny film.", ["pl", "de"], "pl"),
        ("To jest dobry film", ["en", "de", "ko"], "pl"),
        ("Un bon film", ["en", "de", "ko"], "fr"),
    ],
)
def test_a_few_words_are_in_a_likely_language_unless_they_speak_against_it(
    text: str, likely: list[str], language: str
) -> None:
    assert detect_language(text, likely) == language


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert detect_language("우리 마을 " * 500 + "and then English goes on. " * 1000) == "ko"


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert detect_language(text) in (*CANDIDATES, UNKNOWN_LANGUAGE)


def test_a_sentence_is_surer_than_a_word() -> None:
    sentence = identify_language("Ein kleines rotes Boot fährt heute über den stillen See.")
    word = identify_language("Boot")
    assert (sentence.language, sentence.probability > 0.9) == ("de", True)
    assert word.probability < sentence.probability


def test_how_sure_korean_is_goes_by_its_share() -> None:
    assert identify_language("조용한 항구").probability == 1
    assert identify_language("영화 good 좋아요").probability == pytest.approx(5 / 9)


@given(st.text())
def test_a_probability_is_one(text: str) -> None:
    found = identify_language(text)
    assert 0 <= found.probability <= 1
    assert (found.probability == 0) == (found.language == UNKNOWN_LANGUAGE)
    assert found.language == detect_language(text)
