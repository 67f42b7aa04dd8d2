import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.particles import attach, split

SYLLABLES = st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣"))
ENDINGS = st.sampled_from(["", "은", "는", "이", "가", "으로", "로는", "에서는", "들을", "예요", "s", "3"])
WORDS = st.builds(str.__add__, st.text(st.one_of(SYLLABLES, st.sampled_from("ab1-."))), ENDINGS)


@given(WORDS)
def test_a_word_is_its_parts(word: str) -> None:
    assert attach(*split(word)) == word


@given(st.text(SYLLABLES, min_size=2), WORDS)
def test_a_particle_is_found_again_after_another_word(word: str, other: str) -> None:
    particle = split(other)[1]
    whole = attach(word, particle)
    stem, found = split(whole)
    assert len(found) >= len(whole) - len(word)  # a longer one, if the word itself ends like a particle
    assert attach(stem, found) == whole


@pytest.mark.parametrize(
    ("word", "stem", "particle"),
    [
        ("서울에서는", "서울", "에서는"),
        ("쿠팡과", "쿠팡", "과"),
        ("마켓컬리와", "마켓컬리", "와"),
        ("부산으로", "부산", "으로"),
        ("서울로", "서울", "로"),
        ("친구들을", "친구", "들을"),
        ("iPhone은", "iPhone", "은"),  # how it is spoken is not known, so either form may be right
        ("쿠팡와", "쿠팡와", ""),
        ("책이", "책이", ""),
        ("빨리", "빨리", ""),
        ("", "", ""),
    ],
)
def test_a_particle_is_one_that_fits_the_word_before_it(word: str, stem: str, particle: str) -> None:
    assert split(word) == (stem, particle)


@pytest.mark.parametrize(
    ("particle", "after_vowel", "after_consonant", "after_rieul"),
    [
        ("은", "사과는", "귤은", "연필은"),
        ("가", "사과가", "책이", "연필이"),
        ("를", "사과를", "책을", "연필을"),
        ("과", "사과와", "책과", "연필과"),
        ("로", "사과로", "책으로", "연필로"),
        ("으로는", "사과로는", "책으로는", "연필로는"),
        ("라는", "사과라는", "책이라는", "연필이라는"),
        ("예요", "사과예요", "책이에요", "연필이에요"),
        ("에서", "사과에서", "책에서", "연필에서"),
    ],
)
def test_particles_take_the_form_that_the_word_asks_for(
    particle: str, after_vowel: str, after_consonant: str, after_rieul: str
) -> None:
    for whole in (after_vowel, after_consonant, after_rieul):
        word = next(noun for noun in ("사과", "귤", "책", "연필") if whole.startswith(noun))
        assert attach(word, particle) == whole


def test_after_other_letters_a_particle_stays_as_it_is() -> None:
    assert attach("KTX", "는") == "KTX는"
    assert attach("KTX", "은") == "KTX은"


def test_an_unknown_particle_is_refused() -> None:
    with pytest.raises(ValueError, match="'입니다' is no Korean particle"):
        attach("서울", "입니다")
