"""English texts and prompts of a wanted number of tokens, each unlike the others, so that nothing of them is known."""

import random

from benchmarks.texts import ENGLISH
from rondo_tokenizers.vocabulary import Tokenizer


class LongTexts:
    """Puts sentences of this folder together at random."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self._random = random.Random(seed)
        self._sizes = {sentence: len(tokenizer.encode(sentence)) for sentence in ENGLISH}

    def draw(self, num_tokens: int) -> str:
        """A text of about `num_tokens` tokens: as many, or less than a sentence more."""
        chosen: list[str] = []
        while num_tokens > 0:
            chosen.append(self._random.choice(ENGLISH))
            num_tokens -= self._sizes[chosen[-1]]
        return " ".join(chosen)
