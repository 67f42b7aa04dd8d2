"""Reader of Multi30k (Elliott et al. 2016, arXiv:1605.00459): captions of photographs.

Task 1 has translated captions, English → other; its test of 2016 is the one that most papers report, that of 2017 is a
data set of its own here. Task 2 has five further captions of each training photograph, written without a translator:
text of one language from the same domain.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from .examples import Document, Pair, Split
from .files import lines

_FILES = {"train": "train", "dev": "val", "test": "test_2016_flickr"}
_NUM_DESCRIPTIONS = 5


def _pairs(root: Path, file: str, language: str) -> Iterator[Pair]:
    folder = root / "multi30k" / "task1"
    english, other = (lines(folder / f"{file}.{code}.gz") for code in ("en", language))
    for source, target in zip(english, other, strict=True):
        yield Pair(source.strip(), target.strip(), "en", language)


def translations(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Task 1 with the test of 2016."""
    return _pairs(root, _FILES[split], language)


def test_2017(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """The test of 2017; it has no other split."""
    return _pairs(root, "test_2017_flickr", language) if split == "test" else iter(())


def descriptions(root: Path, split: Split, language: Literal["en", "de"]) -> Iterator[Document]:
    """Task 2, a document for each of the five descriptions of all photographs, for training only."""
    if split != "train":
        return
    for number in range(1, _NUM_DESCRIPTIONS + 1):
        path = root / "multi30k" / "task2" / f"train.{number}.{language}.gz"
        yield Document(tuple(line.strip() for line in lines(path)), language)
