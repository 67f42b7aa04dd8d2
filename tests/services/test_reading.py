"""What is read of a text, and which part of it that is."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rondo_services.reading import Pieces, readable
from rondo_tokenizers.normalization import compose

_PARTS = st.sampled_from(
    ["a", "\u00fc", "\ud55c", "\u1112\u1161\u11ab", "e\u0301", "\u0301", " ", "\u00a0", "\n", "\r", "\r\n"]
)
_UNREAD = st.sampled_from(["\u00ad", "\ufeff", "\u200b", "\u200e"])
_TEXTS = st.lists(st.one_of(_PARTS, _UNREAD, st.characters(exclude_categories=["Cs"]))).map("".join)


def _pieces(text: str, *, one_space: bool = False) -> Pieces:
    pieces = Pieces()
    pieces.read(text, (0, len(text)), one_space=one_space)
    return pieces


def test_white_space_is_plain_but_for_lines() -> None:
    assert readable("a\u00a0\tb\u3000\r\nc\rd\x85") == "a  b \nc d "


def test_full_width_and_hyphens_that_do_not_break_are_plain() -> None:
    """They reached the model as bytes, of which it made other words."""
    assert readable("\uff28\uff49\uff01\u3000look\u2011up\u2010s") == "Hi! look-up-s"


def test_what_nobody_sees_is_left_out() -> None:
    assert readable("\ufeffho\u00adtel\u200b \u200e\u2060bar\u200d") == "hotel bar"


@given(_TEXTS)
def test_both_ways_of_reading_read_the_same(text: str) -> None:
    composed = compose(text)
    assert _pieces(composed).text == readable(composed)
    assert _pieces(text, one_space=True).text.split() == _pieces(text).text.split()


@given(_TEXTS)
def test_all_parts_are_found_again(text: str) -> None:
    """In their order, and nothing is left out but what is not read."""
    for one_space in (False, True):
        pieces, end = _pieces(text, one_space=one_space), 0
        for place in range(len(pieces)):
            first, last = pieces.other((place, place + 1))
            assert first < last
            assert not readable(text[end:first]).strip()
            assert pieces.text[place] == " " or pieces.text[place] in readable(compose(text[first:last]))
            end = max(end, last)
        assert not readable(text[end:]).strip()
        assert all(begin == stop for begin, stop in [pieces.other((n, n)) for n in range(len(pieces))])


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1))
def test_each_decomposed_syllable_is_found_alone(text: str) -> None:
    """Of decomposed text all positions but the first were wrong."""
    decomposed = unicodedata.normalize("NFD", text)
    pieces = _pieces(decomposed)
    assert pieces.text == text
    for place, own in enumerate(text):
        first, last = pieces.other((place, place + 1))
        assert compose(decomposed[first:last]) == own
