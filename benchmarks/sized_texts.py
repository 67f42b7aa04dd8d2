"""Texts of a wanted number of tokens, put together from real sentences."""

import random
from collections.abc import Sequence

from benchmarks.places import SENTENCES
from rondo_tokenizers.vocabulary import Tokenizer

_MOST_OFF_SHARE = 1 / 16
_MOST_DRAWS_PER_TEXT = 10_000


def sentences(language: str) -> list[str]:
    """The sentences of tests/data that are in `language`: en, de or ko.

    Raises:
        ValueError: there are none.
    """
    pairs = (line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines())
    found = [text for own, text in pairs if own == language]
    if not found:
        raise ValueError(f"{SENTENCES} has no sentence in {language!r}")
    return found


def sized_texts(
    pool: Sequence[str], num_tokens: int, tokenizer: Tokenizer, *, count: int, seed: int
) -> tuple[str, ...]:
    """So many texts of `num_tokens` tokens, a sixteenth or one token more or less.

    Args:
        pool: sentences, which are drawn and joined.

    Raises:
        ValueError: sentences of `pool` do not add up to so many.
    """
    draw = random.Random(seed)
    sizes = {sentence: len(tokenizer.encode(sentence)) for sentence in pool}
    most_off = max(1, int(_MOST_OFF_SHARE * num_tokens))
    texts: list[str] = []
    for _ in range(count * _MOST_DRAWS_PER_TEXT):
        chosen: list[str] = []
        missing = num_tokens
        while missing > most_off:
            chosen.append(draw.choice(pool))
            missing -= sizes[chosen[-1]]
        if missing >= -most_off:
            texts.append(" ".join(chosen))
        if len(texts) == count:
            return tuple(texts)
    raise ValueError(f"the sentences do not add up to {num_tokens} tokens")
