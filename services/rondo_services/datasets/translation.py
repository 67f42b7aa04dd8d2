"""Readers of parallel text. Each yields English → other; `reversed_pair` turns one round."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .examples import Pair, Split
from .files import lines

_TATOEBA_CODES = {"de": "deu", "ko": "kor", "fr": "fra"}


def reversed_pair(pair: Pair) -> Pair:
    """The same pair in the other direction."""
    return Pair(pair.target, pair.source, pair.target_language, pair.source_language)


def tatoeba(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Tatoeba sentences, one pair a line; the files hold the split."""
    for line in lines(root / "tatoeba" / f"eng-{_TATOEBA_CODES[language]}.{split}.tsv.xz"):
        english, other = line.split("\t")
        yield Pair(english, other, "en", language)


def _stylekqc_rows(root: Path, split: Split) -> Iterator[tuple[str, int, Pair]]:
    """Topic, place in it, and pair, in the split that the file gives."""
    for number, line in enumerate(lines(root / "parallel_en_ko_de" / "stylekqc.en-ko.derived.tsv.xz")):
        if number == 0:
            continue
        identifier, part, english, korean, *_ = line.split("\t")
        if {"valid": "dev", "val": "dev"}.get(part, part) == split:
            topic, place = identifier.split("_")
            yield topic, int(place), Pair(english, korean, "en", "ko")


def stylekqc(root: Path, split: Split) -> Iterator[Pair]:
    """Korean questions and commands with English."""
    for _, _, pair in _stylekqc_rows(root, split):
        yield pair


def stylekqc_topics(root: Path, split: Split) -> list[list[Pair]]:
    """The same by topic: ten sentences that ask for the same."""
    topics: dict[str, list[Pair]] = defaultdict(list)
    for topic, _, pair in _stylekqc_rows(root, split):
        topics[topic].append(pair)
    return list(topics.values())


def stylekqc_paraphrases(root: Path, split: Split) -> Iterator[Pair]:
    """The English of each topic and politeness with the Korean of its other sentences, for training only.

    Of a topic's ten sentences the first five are polite.
    """
    if split != "train":
        return
    groups: dict[tuple[str, bool], list[Pair]] = defaultdict(list)
    for topic, place, pair in _stylekqc_rows(root, split):
        groups[(topic, place < 5)].append(pair)
    for group in groups.values():
        for one, english in enumerate(group):
            for other, korean in enumerate(group):
                if one != other:
                    yield Pair(english.source, korean.target, "en", "ko")


def _training_pairs(path: Path, split: Split, language: str) -> Iterator[Pair]:
    if split != "train":
        return
    for line in lines(path):
        english, other = line.split("\t")[:2]
        if english.strip() and other.strip() and english != other:
            yield Pair(english, other, "en", language)


def libreoffice_help(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Paragraphs of LibreOffice's help, for training only."""
    return _training_pairs(root / "parallel_en_ko_de" / f"libreoffice_help.en-{language}.tsv.xz", split, language)


def ui_strings(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Strings of free applications, for training only."""
    return _training_pairs(root / "parallel_en_ko_de" / f"ui_strings.en-{language}.tsv.xz", split, language)


def bible(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Verses in the Bible in Basic English with Korean (1961) or German (1905), for training only."""
    if split != "train":
        return
    column = {"ko": 3, "de": 4}[language]
    for number, line in enumerate(lines(root / "parallel_en_ko_de" / "bible_en_ko_de.tsv.xz")):
        fields = line.split("\t")
        if number and len(fields) == 5 and fields[2] and fields[column]:
            yield Pair(fields[2], fields[column], "en", language)


def with_all_references(pairs: Iterable[Pair]) -> list[Pair]:
    """One pair a distinct source, with every target of that source as a reference, in first-seen order.

    Pairs that came with references stay as they are: their set counts each.
    """
    targets: dict[Hashable, list[Pair]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        own = (pair.source, pair.source_language, pair.target_language)
        targets[number if pair.references else own].append(pair)
    return [replace(same[0], references=same[0].references or _distinct_targets(same)) for same in targets.values()]


def _distinct_targets(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair.target for pair in pairs))
