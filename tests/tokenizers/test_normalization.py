import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.normalization import compose


def test_separate_jamo_become_syllables() -> None:
    decomposed = "\u1112\u1161\u11ab\u1100\u1173\u11af"
    assert compose(decomposed) == "한글"


def test_accents_join_their_letters() -> None:
    assert compose("u\u0308ber") == "über"


def test_compatibility_characters_stay() -> None:
    assert compose("ﬁ ２ ㄱ ™") == "ﬁ ２ ㄱ ™"


@given(st.text())
def test_composing_is_canonical_and_needed_once(text: str) -> None:
    composed = compose(text)
    assert unicodedata.is_normalized("NFC", composed)
    assert compose(composed) == composed
    assert compose(unicodedata.normalize("NFD", text)) == composed


def test_long_runs_of_marks_are_composed_in_parts() -> None:
    """Once 100,000 marks after one letter took ten seconds, as putting them in order takes n² steps."""
    text = "a" + "\u0301\u0316" * 50_000
    composed = compose(text)
    assert composed[0] == "á"
    assert composed.count("\u0316") == 50_000
    assert len(composed) == len(text) - 1
