"""Learns a recipe's vocabulary from a sample of its training texts."""

import random
from collections.abc import Iterator
from pathlib import Path

from rondo_tokenizers.normalization import compose
from rondo_tokenizers.training import train_vocabulary

from .preparation import as_text, read_entry
from .recipe import Recipe

_LINES_PER_SET = 80_000


def _sampled_lines(recipe: Recipe, root: Path | None) -> Iterator[str]:
    for entry in recipe.data:
        documents = as_text(read_entry(entry, recipe, root, "train"))
        lines = [line for document in documents for line in document.lines if line.strip()]
        if len(lines) > _LINES_PER_SET:
            lines = random.Random(entry.set).sample(lines, _LINES_PER_SET)
        yield from (compose(line) for line in lines)


def learn_vocabulary(recipe: Recipe, root: Path | None, threads: int) -> bytes:
    """A serialised vocabulary of at most the recipe's size, from at most 80,000 training lines of each of its sets.

    Raises:
        ValueError: there is no text to learn from.
    """
    lines = list(dict.fromkeys(_sampled_lines(recipe, root)))
    return train_vocabulary(
        lines, size=recipe.vocabulary_size, languages=recipe.languages, threads=threads, exact=False
    )
