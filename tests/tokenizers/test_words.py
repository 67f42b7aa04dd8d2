import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.vocabulary import Tokenizer
from rondo_tokenizers.words import encode_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("He didn't say so.", "He|did|n't|say|so|."),
        ("It's Obama's, they're sure; I'm not.", "It|'s|Obama|'s|,|they|'re|sure|;|I|'m|not|."),
        ("She’s here", "She|’s|here"),
        ("Apple Inc. paid $1,650.50 in the U.S. today.", "Apple|Inc.|paid|$|1,650.50|in|the|U.S.|today|."),
        ("up 3.5% (not much)", "up|3.5|%|(|not|much|)"),
        ("the 21-year-old O'Brien of AT&T at 7:30", "the|21-year-old|O'Brien|of|AT&T|at|7:30"),
        ('"Wait... now" -- he said', '"|Wait|...|now|"|--|he|said'),
        ("Robert R. Bowie left Acme Co.", "Robert|R.|Bowie|left|Acme|Co|."),
        ("the teachers' union", "the|teachers|'|union"),
        ("정말 좋다!", "정말|좋다|!"),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_words_are_cut_as_a_treebank_cuts_them(text: str, words: str) -> None:
    assert [text[begin:end] for begin, end in split_words(text)] == words.split("|") * bool(words)


@given(st.text(max_size=60))
def test_every_character_but_white_space_is_in_one_word(text: str) -> None:
    spans = split_words(text)
    inside = [position for begin, end in spans for position in range(begin, end)]
    assert inside == sorted(set(inside))
    assert {p for p, character in enumerate(text) if not character.isspace()} <= set(inside)
    assert not any(text[position].isspace() for position in inside)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\u2581"), max_size=40))
def test_the_pieces_of_all_words_are_the_text(tokenizer: Tokenizer, text: str) -> None:
    text = " ".join(text.split())
    spans = split_words(text)
    words = encode_words(tokenizer, text, spans)
    assert len(words) == len(spans)
    assert all(words)
    for (begin, _), pieces in zip(spans, words, strict=True):
        spelled = tokenizer.decode_continuation(pieces)
        assert spelled.startswith(" ") == (begin == 0 or text[begin - 1].isspace())


def test_words_have_the_pieces_that_they_have_in_the_text(tokenizer: Tokenizer) -> None:
    text = "The old boat doesn't go to U\u0308bersee, does it?"
    words = encode_words(tokenizer, text, split_words(text))
    joined = [piece for word in words for piece in word]
    assert tokenizer.decode(joined) == text.replace("U\u0308", "Ü")
    assert words[1] == tokenizer.encode("old")
    assert words[-1] == tokenizer.encode_continuation("?")


def test_what_is_no_text_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        encode_words(tokenizer, "a \ud800 b", split_words("a \ud800 b"))
