"""Which ids of a vocabulary are parts of words, for a search that must not let a phrase grow into another word."""

from rondo_models.decoding.phrases import WordPieces
from rondo_tokenizers.vocabulary import Tokenizer

_FIRST_HANGUL = "\u1100"


def word_pieces(tokenizer: Tokenizer) -> WordPieces:
    """Of words in scripts that put spaces between them; Korean particles may follow whatever they like."""
    spellings = {i: tokenizer.spelling(i).decode("utf-8", errors="replace") for i in range(tokenizer.size)}
    return WordPieces(
        frozenset(i for i, spelling in spellings.items() if spelling and _is_of_word(spelling[-1])),
        frozenset(i for i, spelling in spellings.items() if spelling and _is_of_word(spelling[0])),
        next((i for i, spelling in spellings.items() if spelling == " "), None),
    )


def _is_of_word(character: str) -> bool:
    return character.isalnum() and character < _FIRST_HANGUL
