"""The language of a text, and what is said of one that no service was trained on."""

import pytest

from rondo_models.manifest import read_contents
from rondo_services.server.settings import default_bundle
from rondo_services.text import resolve_language
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(read_contents(default_bundle()).tokenizer)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("The boat is slow.", "auto", ("en", None)),
        ("Das Boot ist langsam.", "auto", ("de", "not trained on 'de' text, only on en; the result may be poor")),
        ("5", "auto", ("unknown", "the text has no letters; the result may be poor")),
        ("5", "en", ("en", None)),
        ("Ｇｒｅａｔ ｆｉｌｍ， ｒｅａｌｌｙ．", "auto", ("en", None)),
    ],
)
def test_a_text_that_is_not_known_is_warned_of(
    tokenizer: Tokenizer, text: str, asked: str, expected: tuple[str, str | None]
) -> None:
    assert resolve_language(text, asked, ["en"], tokenizer) == expected
