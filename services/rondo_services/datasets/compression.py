"""Reader of sentences in which each word is kept or deleted: Google's news sentences with their headlines
(Filippova & Altun 2013), in the split of 8,000, 1,000 and 1,000 that SentSum published.

The file's labels read the other way round than one expects: the words with `B-DEL` are the headline. They make up 41 %,
and it is they that read as sentences ("A woman was injured by a falling tree ."), not the words with `0`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from .examples import Split, TaggedWords
from .files import lines

KEEP, DELETE = "keep", "delete"

_LABELS = {"B-DEL": KEEP, "0": DELETE}
_NO_SPACE_BEFORE = {
    *(".", ",", ":", ";", "?", "!", "%", ")", "...", '"', "'"),
    *("'s", "'S", "'re", "'ve", "'ll", "'d", "'m", "n't"),
}
_NO_SPACE_AFTER = {"(", "$", "#"}


def sentence_compression(root: Path, split: Split) -> Iterator[TaggedWords]:
    """Sentences as people write them, with a label for each word of the file."""
    words: list[str] = []
    labels: list[str] = []
    for line in lines(root / "sentence_compression" / f"{split}.conll"):
        if line:
            word, label = line.split("\t")
            words.append(word)
            labels.append(_LABELS[label])
        elif words:
            yield _example(words, labels)
            words, labels = [], []
    if words:
        yield _example(words, labels)


def _example(words: Sequence[str], labels: Sequence[str]) -> TaggedWords:
    text, spans, glued = "", [], True
    for word in words:
        opens = word.startswith("``")
        written = word.replace("``", '"').replace("''", '"').replace("`", "'")
        if not glued and (opens or written not in _NO_SPACE_BEFORE):
            text += " "
        spans.append((len(text), len(text) + len(written)))
        text += written
        glued = opens or word in _NO_SPACE_AFTER
    return TaggedWords(text, tuple(spans), tuple(labels), "en")
