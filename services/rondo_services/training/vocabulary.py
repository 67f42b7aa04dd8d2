"""Learns a recipe's vocabulary from a sample of its training texts, and keeps it in the run's folder."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rondo_models.replacing import replace_files
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.training import train_vocabulary

from .entry_records import as_read, file_hashes
from .preparation import as_text, read_entry
from .recipe import Recipe

_LINES_PER_SET = 80_000
_NAME = "tokenizer.model"
_SOURCE_NAME = "tokenizer.source.json"


def kept_vocabulary(recipe: Recipe, root: Path | None, folder: Path, *, is_begun: bool) -> bytes:
    """The vocabulary in a run's folder; it is learnt if there is none, or anew if that one was learnt from something
    else, unless the run has begun, so that its weights are of that one.

    One without a note of what it was learnt from is taken as it is.
    """
    path, note = folder / _NAME, folder / _SOURCE_NAME
    source = _source(recipe)
    if path.exists() and (is_begun or not note.exists() or json.loads(note.read_text(encoding="utf-8")) == source):
        return path.read_bytes()
    model = learn_vocabulary(recipe, root, threads=2)
    replace_files(folder, {_NAME: model, _SOURCE_NAME: json.dumps(source, indent=1).encode()})
    return model


def _source(recipe: Recipe) -> dict[str, Any]:
    return {
        "languages": list(recipe.languages),
        "vocabulary_size": recipe.vocabulary_size,
        "data": {entry.task: as_read(entry) for entry in recipe.data},
        "files": file_hashes(recipe),
    }


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
