"""Readers of small English sets that are classified sentence by sentence: MR, Subj, MPQA and TREC.

MR, Subj and MPQA have no official split: their results are means over ten folds. Every text falls into one of twenty
buckets by its letters, so that texts that differ in case or punctuation alone are never apart; a fold's test texts are
those of two buckets, and the next bucket's are its dev texts. TREC has a test file: its folds tell which training
questions are dev.
"""

from collections.abc import Iterator
from pathlib import Path

from .deduplication import fingerprint
from .examples import Labelled, Split
from .files import lines
from .sentiment import LABELS, detokenized

NUM_FOLDS = 10
SUBJECTIVITY = ("subjective", "objective")
QUESTIONS = ("description", "entity", "abbreviation", "human", "location", "number")

_NUM_BUCKETS = 2 * NUM_FOLDS
_ENCODING = "cp1252"


def mr(root: Path, split: Split, fold: int = 1) -> Iterator[Labelled]:
    """Sentences of film reviews, lower case (Pang & Lee 2005)."""
    return _in_fold(_labelled(root, "rt-polarity.all", LABELS), split, fold)


def subj(root: Path, split: Split, fold: int = 1) -> Iterator[Labelled]:
    """Sentences that judge a film and sentences that tell its plot, lower case (Pang & Lee 2004)."""
    return _in_fold(_labelled(root, "subj.all", SUBJECTIVITY), split, fold)


def mpqa(root: Path, split: Split, fold: int = 1) -> Iterator[Labelled]:
    """Phrases of opinion from the news (Wiebe et al. 2005), of three words on average."""
    return _in_fold(_labelled(root, "mpqa.all", LABELS), split, fold)


def trec(root: Path, split: Split, fold: int = 1) -> Iterator[Labelled]:
    """Questions by what they ask for (Li & Roth 2002)."""
    if split == "test":
        yield from _labelled(root, "TREC.test.all", QUESTIONS)
        return
    for example in _labelled(root, "TREC.train.all", QUESTIONS):
        if (_bucket(example.text) == _first_bucket(fold)) == (split == "dev"):
            yield example


def _labelled(root: Path, name: str, labels: tuple[str, ...]) -> Iterator[Labelled]:
    for line in lines(root / "sentence_classification" / name, _ENCODING):
        label, _, text = line.partition(" ")
        yield Labelled(detokenized(text.strip()), labels[int(label)], "en")


def _in_fold(examples: Iterator[Labelled], split: Split, fold: int) -> Iterator[Labelled]:
    first = _first_bucket(fold)
    splits: dict[int, Split] = {first: "test", first + 1: "test", (first + 2) % _NUM_BUCKETS: "dev"}
    return (example for example in examples if splits.get(_bucket(example.text), "train") == split)


def _first_bucket(fold: int) -> int:
    if not 1 <= fold <= NUM_FOLDS:
        raise ValueError(f"fold must be 1 to {NUM_FOLDS}, not {fold}")
    return 2 * (fold - 1)


def _bucket(text: str) -> int:
    return int.from_bytes(fingerprint(text)) % _NUM_BUCKETS
