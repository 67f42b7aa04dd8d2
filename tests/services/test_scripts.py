"""What translations into other scripts are kept free of."""

import pytest

from rondo_models.manifest import read_contents
from rondo_services.scripts import HANGUL, SCRIPTS, avoided_script, has_hangul, script_pieces
from rondo_services.server.settings import default_bundle
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(read_contents(default_bundle()).tokenizer)


@pytest.mark.parametrize(
    ("text", "expected"), [("Straße 7", False), ("노트북", True), ("a ㅋ", True), ("\u1112", True), ("日本", False)]
)
def test_korean_letters_are_known(text: str, expected: bool) -> None:
    assert has_hangul(text) == expected


def test_pieces_of_a_script_are_all_that_have_a_letter_of_it(tokenizer: Tokenizer) -> None:
    pieces = script_pieces(tokenizer)
    assert tuple(pieces) == SCRIPTS
    hangul = set(pieces[HANGUL])
    assert hangul.isdisjoint(tokenizer.encode("Die Bahn fährt um 7:30 Uhr ab, says Tom — “yes”."))
    letters = [
        own for own in tokenizer.encode("안녕하세요") if has_hangul(tokenizer.spelling(own).decode(errors="replace"))
    ]
    assert letters
    assert hangul.issuperset(letters)


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("Bring your laptop.", "en", "de", HANGUL),
        ("노트북 가져와", "ko", "en", HANGUL),
        ("Bring your laptop.", "en", "ko", ""),
        ("The word 사랑 means love.", "en", "de", ""),
        ("Bring your laptop.", "unknown", "de", HANGUL),
    ],
)
def test_only_translations_into_other_scripts_avoid_it_unless_the_text_itself_has_it(
    text: str, source: str, target: str, expected: str
) -> None:
    assert avoided_script(text, source, target) == expected
