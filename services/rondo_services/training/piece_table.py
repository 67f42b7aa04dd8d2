"""What a classifier must know of a vocabulary's pieces to count words (`rondo_models.heads.words`).

A word is what stands between spaces and punctuation marks; apostrophes are letters, and case does not matter.
"""

import torch
from torch import Tensor

from rondo_models.heads.words import BEGINS, GOES_ON, LETTER_BASE, MOST_LETTERS, STANDS_ALONE
from rondo_tokenizers.vocabulary import Tokenizer

_APOSTROPHES = ("'", "’")


def piece_table(tokenizer: Tokenizer) -> Tensor:
    """(vocabulary, 10), of small whole numbers."""
    return torch.tensor([_row(tokenizer, identifier) for identifier in range(tokenizer.size)], dtype=torch.float32)


def _row(tokenizer: Tokenizer, identifier: int) -> list[int]:
    spelling = tokenizer.spelling(identifier)
    if not spelling:  # a control symbol
        return _numbers(tokenizer.name(identifier).encode(), STANDS_ALONE)
    text = spelling.decode("utf-8", errors="surrogateescape")  # a byte may be a part of a letter
    word = text.removeprefix(" ")
    if word and not any(map(_is_of_word, word)):
        return _numbers(word.encode(), STANDS_ALONE)
    letters = word.casefold().encode("utf-8", errors="surrogateescape")
    return _numbers(letters, BEGINS if text.startswith(" ") else GOES_ON)


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character in _APOSTROPHES or "\udc80" <= character <= "\udcff"


def _numbers(letters: bytes, kind: int) -> list[int]:
    value = sum((letter + 1) * pow(LETTER_BASE, place, 2**64) for place, letter in enumerate(letters)) % 2**64
    return [*value.to_bytes(8, "little"), min(len(letters), MOST_LETTERS), kind]
