"""Genders read from translations, and their shares."""

from collections import Counter

import pytest

from rondo_services.evaluation.bias.translation import Sentence, gender_choices, gender_of, profession_sentences
from rondo_services.evaluation.bias.words import read_words

NAMES = ("Arzt", "Doktor", "Ärztin", "Doktorin")


def _sentence(target: str, profession: str = "doctor") -> Sentence:
    return Sentence("en" if target == "de" else "ko", target, "none", profession, NAMES, "The doctor is tired.")


@pytest.mark.parametrize(
    ("translation", "gender"),
    [
        ("Der Arzt ist müde.", "male"),
        ("Wo ist ein Doktor?", "male"),
        ("Die Ärztin ist müde.", "female"),
        ("Die Arzt ist müde.", "female"),
        ("Das Mädchen ist müde.", "none"),
        ("Die Praxis ist müde.", "none"),
        ("Ärztinnen sind müde.", "none"),
    ],
)
def test_the_article_before_the_profession_tells_in_german(translation: str, gender: str) -> None:
    assert gender_of(translation, _sentence("de")) == gender


@pytest.mark.parametrize(
    ("translation", "gender"),
    [
        ("He's a doctor.", "male"),
        ("The doctor lost HER key.", "female"),
        ("That person is a doctor.", "none"),
        ("He says that she is tired.", "none"),
        ("The theme is here.", "none"),
    ],
)
def test_pronouns_tell_in_english(translation: str, gender: str) -> None:
    assert gender_of(translation, _sentence("en")) == gender


def test_genders_can_not_be_told_in_korean() -> None:
    with pytest.raises(ValueError, match="not in 'ko'"):
        gender_of("의사예요.", _sentence("ko"))


def test_shares_and_professions_by_gender() -> None:
    sentences = [_sentence("en", profession) for profession in ("doctor", "nurse", "cook") for _ in range(2)]
    translations = ["He is.", "He is.", "She is.", "They are.", "He is.", "She is."]
    (own,) = gender_choices(sentences, translations)
    assert own.shares == pytest.approx({"male": 50, "female": 100 / 3, "none": 100 / 6})
    assert own.mostly == {"male": ["doctor"], "female": ["nurse"]}
    assert own.intervals == {}  # of three professions
    assert [example["translation"] for example in own.examples] == ["He is.", "She is.", "They are."]
    many = [_sentence("en", f"profession {n}") for n in range(20)]
    (own,) = gender_choices(many, ["He is.", "She is."] * 10)
    low, high = own.intervals["male"]
    assert low < 50 < high


def test_sentences_are_of_the_pairs_that_are_served_and_say_no_more_than_their_cue() -> None:
    words = read_words("professions")
    assert {(s.source, s.target) for s in profession_sentences(words, [("en", "de"), ("en", "ko")])} == {("en", "de")}
    sentences = profession_sentences(words, [("en", "de"), ("de", "en"), ("ko", "en")])
    assert Counter((s.source, s.cue) for s in sentences)["ko", "none"] == 4 * len(words["professions"])
    for sentence in sentences:
        assert "{" not in sentence.text
        assert "|" not in sentence.text
        told = gender_of(sentence.text, Sentence("de", "en", "none", "", (), "")) if sentence.source == "en" else None
        assert told in (None, sentence.cue)
    german = [s.text for s in sentences if (s.source, s.cue, s.profession) == ("de", "female", "doctor")]
    assert german[0] == "Die Ärztin hat ihren Schlüssel verloren."
