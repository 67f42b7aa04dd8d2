"""What may not come behind a required phrase."""

import pytest

from rondo_models.manifest import read_contents
from rondo_services.server.settings import default_bundle
from rondo_services.words import word_pieces
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(read_contents(default_bundle()).tokenizer)


@pytest.mark.parametrize(
    ("first", "then", "is_kept_apart"),
    [
        ("Haus", "es", True),
        ("Haus", " es", False),
        ("Haus", ".", False),
        ("Haus", "-", False),
        ("7", "0", True),
        ("7", " 0", False),
        ("Tom", "은", False),
        ("집", "은", False),
        ("{}", "s", False),
        ("Größ", "e", True),
    ],
)
def test_words_and_numbers_do_not_go_on(tokenizer: Tokenizer, first: str, then: str, is_kept_apart: bool) -> None:
    words = word_pieces(tokenizer)
    last, following = tokenizer.encode(first)[-1], tokenizer.encode_continuation(then)[0]
    assert (last in words.ends and following in words.goes_on) == is_kept_apart


def test_a_bare_space_is_known(tokenizer: Tokenizer) -> None:
    space = word_pieces(tokenizer).space
    assert space is not None
    assert tokenizer.spelling(space) == b" "
