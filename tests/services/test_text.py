"""The language of a text, and what is said of one that no service was trained on."""

import pytest

from rondo_models.manifest import read_contents
from rondo_services.server.settings import default_bundle
from rondo_services.text import LANGUAGE_CHARACTERS, language_of, resolve_language
from rondo_tokenizers.languages import detect_language
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(read_contents(default_bundle()).tokenizer)


def test_the_language_is_told_from_as_many_characters_as_are_looked_at(tokenizer: Tokenizer) -> None:
    half = LANGUAGE_CHARACTERS // 2
    english, korean = ("the boat " * half)[:half], "\uac00" * half
    for text, language in ((english + korean, "ko"), (english + english + korean * 4, "en")):
        assert language_of(text, tokenizer) == detect_language(text) == language


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("The boat is slow.", "auto", ("en", None)),
        ("Das Boot ist langsam.", "auto", ("de", "not trained on 'de' text, only on en; the result may be poor")),
        ("5", "auto", ("unknown", "the text has no letters; the result may be poor")),
        ("5", "en", ("en", None)),
    ],
)
def test_a_text_that_is_not_known_is_warned_of(
    tokenizer: Tokenizer, text: str, asked: str, expected: tuple[str, str | None]
) -> None:
    assert resolve_language(text, asked, ["en"], tokenizer) == expected
