"""Debian package descriptions: long text → synopsis (summarization) and aligned languages (translation).

There is no official split, and packages of one source share paragraphs. So packages that share one of their first
two paragraphs, or its beginning, are put in one group, and a group as a whole falls to train, dev or test by a hash
of its first package's name. Later paragraphs would join nearly everything, as set phrases ("This package contains
the documentation.") are shared widely; so a description of dev or test that still has a paragraph of another split
goes to train. All this is decided once over English and used for every language.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .deduplication import fingerprint
from .examples import Pair, Split
from .files import open_text

STEM_CHARACTERS = 60
LARGEST_TEST_GROUP = 20
_BUCKETS = 100


@dataclass(frozen=True, slots=True)
class Description:
    """One package's description in one language; `key` is the hash of the English one."""

    package: str
    key: str
    synopsis: str
    paragraphs: tuple[str, ...]

    @property
    def long_text(self) -> str:
        """The paragraphs as one text."""
        return "\n".join(self.paragraphs)


def _parse(stanza: str) -> Description | None:
    fields = re.split(r"^(Package|Description-md5|Description-\w+):", stanza, flags=re.MULTILINE)
    values = dict(zip(fields[1::2], fields[2::2], strict=True))
    texts = [value for name, value in values.items() if name not in ("Package", "Description-md5")]
    if not texts:
        return None
    synopsis, _, body = texts[0].partition("\n")
    paragraphs = []
    for block in re.split(r"^ \.\s*$", body, flags=re.MULTILINE):
        text = " ".join(line.strip() for line in block.splitlines()).strip()
        if text:
            paragraphs.append(re.sub(r"\s+", " ", text))
    return Description(
        values["Package"].strip(), values["Description-md5"].strip(), synopsis.strip(), tuple(paragraphs)
    )


def read_descriptions(root: Path, language: str) -> Iterator[Description]:
    """Every described package of one language, in the file's order."""
    with open_text(root / "debian_descriptions" / f"Translation-{language}.xz") as file:
        for stanza in file.read().split("\n\n"):
            if stanza.strip():
                description = _parse(stanza)
                if description and description.synopsis and description.paragraphs:
                    yield description


def _stem(paragraph: str) -> str:
    return re.sub(r"\W+", " ", paragraph.casefold())[:STEM_CHARACTERS]


@lru_cache(maxsize=2)
def _split_by_key(root: Path) -> dict[str, Split]:
    parent: dict[str, str] = {}

    def find(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    first_package: dict[str, str] = {}
    descriptions = list(read_descriptions(root, "en"))
    for description in descriptions:
        first_package.setdefault(description.key, description.package)
        for paragraph in description.paragraphs[:2]:
            parent[find(f"stem {_stem(paragraph)}")] = find(description.key)
    groups = defaultdict(list)
    for key in first_package:
        groups[find(key)].append(key)
    split_by_key: dict[str, Split] = {}
    for keys in groups.values():
        name = min(first_package[key] for key in keys)
        bucket = int(hashlib.sha256(name.encode()).hexdigest(), 16) % _BUCKETS
        split: Split = "train"
        if len(keys) <= LARGEST_TEST_GROUP:
            split = "test" if bucket < 3 else "dev" if bucket < 5 else "train"
        split_by_key.update(dict.fromkeys(keys, split))
    _move_sharing_to_train(descriptions, split_by_key)
    return split_by_key


def _move_sharing_to_train(descriptions: Sequence[Description], split_by_key: dict[str, Split]) -> None:
    """Move what shares a paragraph with another split to train, until nothing does."""
    moved = True
    while moved:
        moved = False
        splits: dict[bytes, set[Split]] = defaultdict(set)
        for description in descriptions:
            for paragraph in description.paragraphs:
                splits[fingerprint(paragraph)].add(split_by_key[description.key])
        for description in descriptions:
            shared = any(len(splits[fingerprint(paragraph)]) > 1 for paragraph in description.paragraphs)
            if shared and split_by_key[description.key] != "train":
                split_by_key[description.key] = "train"
                moved = True


def summaries(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """Long text → synopsis of one language, equal long texts once."""
    split_by_key = _split_by_key(root)
    seen = set()
    for description in read_descriptions(root, language):
        if split_by_key.get(description.key, "train") == split and description.long_text not in seen:
            seen.add(description.long_text)
            yield Pair(description.long_text, description.synopsis, language, language)


def translations(root: Path, split: Split, language: str) -> Iterator[Pair]:
    """English → `language`: synopses, and paragraphs where both have as many."""
    split_by_key = _split_by_key(root)
    english = {description.key: description for description in read_descriptions(root, "en")}
    seen = set()
    for other in read_descriptions(root, language):
        original = english.get(other.key)
        if original is None or split_by_key[other.key] != split:
            continue
        pairs = [(original.synopsis, other.synopsis)]
        if len(original.paragraphs) == len(other.paragraphs):
            pairs.extend(zip(original.paragraphs, other.paragraphs, strict=True))
        for source, target in pairs:
            if source != target and (source, target) not in seen:
                seen.add((source, target))
                yield Pair(source, target, "en", language)
