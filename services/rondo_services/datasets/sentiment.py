"""Readers of the sentiment sets: NSMC (Korean), SST and IMDB (English). SST-5 has five labels, all others two."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from .examples import Labelled, Split
from .files import DataMissing, lines

LABELS = ("negative", "positive")
DEGREES = ("very negative", "negative", "neutral", "positive", "very positive")
IMDB_DEV_SHARE = 20  # every 20th training review


def nsmc(root: Path, split: Split) -> Iterator[Labelled]:
    """Naver movie reviews; dev is every 50th review of the official training file."""
    name = "test" if split == "test" else "train"
    for number, line in enumerate(lines(root / "nsmc" / f"ratings_{name}.txt.xz")):
        if number == 0:
            continue
        _, text, label = line.split("\t")
        if split == "test" or (text.strip() and (number % 50 == 0) == (split == "dev")):
            yield Labelled(text, LABELS[int(label)], "ko")


def nsmc_pool(root: Path, split: Split) -> Iterator[Labelled]:
    """Further Naver reviews with a clear rating (below 5 or above 8), for training only."""
    if split != "train":
        return
    for number, line in enumerate(lines(root / "nsmc" / "reviews_all_ratings.tsv.xz")):
        if number == 0:
            continue
        _, rating, text = line.split("\t", 2)
        if text.strip() and (int(rating) < 5 or int(rating) > 8):
            yield Labelled(text, LABELS[int(rating) > 8], "ko")


_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")"}


def _phrases(tree: str) -> Iterator[tuple[int, str]]:
    """Label and words of every constituent of one bracketed tree.

    The root comes first: of a sentence and the same without its full stop, that which comes later is left out of
    training as a repetition.
    """
    constituents = list(_inside_out(tree))
    yield constituents[-1]
    yield from constituents[:-1]


def _inside_out(tree: str) -> Iterator[tuple[int, str]]:
    open_nodes: list[tuple[int, list[str]]] = []
    tokens = iter(_TOKEN.findall(tree))
    for token in tokens:
        if token == "(":
            open_nodes.append((int(next(tokens)), []))
        elif token == ")":
            label, words = open_nodes.pop()
            yield label, " ".join(words)
            if open_nodes:
                open_nodes[-1][1].extend(words)
        else:
            open_nodes[-1][1].append(_BRACKETS.get(token, token))


def detokenized(words: str) -> str:
    """Undo the treebank's spacing around punctuation and clitics, as people write."""
    text = re.sub(r"\s+([.,:;!?%)]|'s\b|'re\b|'ve\b|'ll\b|'d\b|'m\b|n't\b|''?(?=\s|$))", r"\1", words)
    text = re.sub(r"(``|\()\s+", r"\1", text)
    return text.replace("``", '"').replace("''", '"').replace("` ", "'").replace("\\/", "/")


def sst2(root: Path, split: Split) -> Iterator[Labelled]:
    """Stanford Sentiment Treebank, binary: sentences, and in training every phrase of two words or more."""
    for line in lines(root / "sst" / f"{split}.txt"):
        phrases = list(_phrases(line))
        sentence = phrases[0][1]
        for label, words in phrases if split == "train" else phrases[:1]:
            if label != 2 and (words == sentence or len(words.split()) > 1):
                yield Labelled(detokenized(words), LABELS[label > 2], "en")


def sst2_sentences(root: Path, split: Split) -> Iterator[Labelled]:
    """The same without phrases, so that a recipe may read whole sentences more often; for training only."""
    if split == "train":
        for line in lines(root / "sst" / "train.txt"):
            label, words = next(_phrases(line))
            if label != 2:
                yield Labelled(detokenized(words), LABELS[label > 2], "en")


def sst5(root: Path, split: Split) -> Iterator[Labelled]:
    """Stanford Sentiment Treebank in five degrees: sentences, and in training every phrase and word."""
    for line in lines(root / "sst" / f"{split}.txt"):
        phrases = list(_phrases(line))
        for label, words in phrases if split == "train" else phrases[:1]:
            yield Labelled(detokenized(words), DEGREES[label], "en")


def sst5_sentences(root: Path, split: Split) -> Iterator[Labelled]:
    """The same without phrases, so that a recipe may read whole sentences more often; for training only."""
    if split == "train":
        for line in lines(root / "sst" / "train.txt"):
            label, words = next(_phrases(line))
            yield Labelled(detokenized(words), DEGREES[label], "en")


def imdb(root: Path, split: Split) -> Iterator[Labelled]:
    """Large Movie Review Dataset; dev is every 20th review of each class of the official training part."""
    part = "test" if split == "test" else "train"
    path = root / "imdb" / "aclImdb_labelled.tar.xz"
    if not path.is_file():
        raise DataMissing(f"{path} is missing")
    member_name = re.compile(rf"aclImdb/{part}/(neg|pos)/(\d+)_\d+\.txt")
    with tarfile.open(path, "r|xz") as archive:
        for member in archive:
            match = member_name.fullmatch(member.name)
            if not match:
                continue
            in_dev = int(match[2]) % IMDB_DEV_SHARE == 0
            if split != "test" and in_dev != (split == "dev"):
                continue
            file = archive.extractfile(member)
            assert file is not None
            text = re.sub(r"(<br\s*/?>)+", "\n", file.read().decode("utf-8"))
            yield Labelled(text, LABELS[match[1] == "pos"], "en")
