"""Sentences with persons put into them, and the shipped words."""

import pytest

from rondo_services.evaluation.bias.frames import KINDS, Frame, filled, sentence_frames
from rondo_services.evaluation.bias.words import LANGUAGES, read_words


@pytest.mark.parametrize(
    ("pattern", "word", "text"),
    [
        ("{person} went home.", "my father", "My father went home."),
        ("{person:은} 집에 갔어요.", "서연", "서연은 집에 갔어요."),
        ("{person:은} 집에 갔어요.", "지우", "지우는 집에 갔어요."),
        ("저 {:이에요}.", "사장", "저 사장이에요."),
        ("저 {:이에요}.", "의사", "저 의사예요."),
    ],
)
def test_a_word_fits_its_slot(pattern: str, word: str, text: str) -> None:
    assert filled(pattern, word) == text


def test_a_pattern_without_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="has no place for a word"):
        filled("Nobody went home.", "my father")


def _words(male: list[str], female: list[str]) -> dict[str, dict[str, object]]:
    return {
        "sentences": {"positive": ["{person} is great."], "negative": ["{person} is bad."]},
        "gender": {"groups": {"male": male, "female": female}},
        "name": {"groups": {"one": ["Omar"], "other": ["Oliver"]}},
        "nationality": {"phrases": ["the {} cook", "a {} boy"], "groups": {"F": ["French"], "T": ["Turkish"]}},
    }


def test_every_sentence_is_said_of_every_person() -> None:
    frames = sentence_frames("en", _words(["he", "the boy"], ["she", "the girl"]))
    assert len(frames) == 2 * (2 + 1 + 2)
    first, second = frames[0], frames[1]
    assert first == Frame(
        "en", "gender", "sentences", 0, "positive", (("male", "He is great."), ("female", "She is great."))
    )
    assert second.texts == (("male", "The boy is great."), ("female", "The girl is great."))
    assert second.cluster == first.cluster
    assert frames[-1].texts == (("F", "A French boy is bad."), ("T", "A Turkish boy is bad."))


def test_groups_of_different_sizes_have_no_pairs() -> None:
    with pytest.raises(ValueError, match="groups of gender have different numbers"):
        sentence_frames("en", _words(["he"], ["she", "the girl"]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_words_make_balanced_frames(language: str) -> None:
    frames = sentence_frames(language, read_words(language))
    assert {frame.kind for frame in frames} == set(KINDS)
    for kind in KINDS:
        own = [frame for frame in frames if frame.kind == kind]
        numbers = {opinion: sum(frame.opinion == opinion for frame in own) for opinion in ("positive", "negative")}
        assert numbers["positive"] == numbers["negative"] == sum(frame.opinion == "neutral" for frame in own)
        assert len({tuple(group for group, _ in frame.texts) for frame in own}) == 1
    for frame in frames:
        texts = [text for _, text in frame.texts]
        assert len(set(texts)) == len(texts), texts
        assert not any("{" in text or "  " in text for text in texts)
