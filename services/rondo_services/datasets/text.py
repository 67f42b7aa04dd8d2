"""Readers of running text for language modelling."""

import re
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from .examples import Document, Split
from .files import DataMissing, lines

_WIKITEXT_FILES = {
    "train": "wiki.train.shuffled-articles.tokens.xz",
    "dev": "wiki.valid.tokens.xz",
    "test": "wiki.test.tokens.xz",
}


def wikitext2(root: Path, split: Split) -> Iterator[Document]:
    """WikiText-2 as one document; a line keeps its tokens, one space apart, without the outer spaces."""
    yield Document(tuple(line.strip() for line in lines(root / "wikitext2" / _WIKITEXT_FILES[split])), "en")


def num_words_with_eos(document: Document) -> int:
    """Words of a tokenised document as the published perplexities count them: one end symbol a line."""
    return sum(len(line.split()) + 1 for line in document.lines)


def novels(root: Path, split: Split, language: str) -> Iterator[Document]:
    """ELTeC novels of 1840–1920, a document each; every 25th is dev and every 25th test."""
    collection = {"en": "eng", "de": "deu"}[language]
    path = root / "novels" / f"ELTeC-{collection}.level1.tar.xz"
    if not path.is_file():
        raise DataMissing(f"{path} is missing")
    with tarfile.open(path, "r|xz") as archive:
        number = 0
        for member in archive:
            if not member.name.endswith(".xml"):
                continue
            number += 1
            if {0: "dev", 1: "test"}.get(number % 25, "train") != split:
                continue
            file = archive.extractfile(member)
            assert file is not None
            body = ElementTree.parse(file).getroot().find("{*}text")
            if body is None:
                continue
            paragraphs = (
                re.sub(r"\s+", " ", "".join(node.itertext())).strip()
                for node in body.iter()
                if isinstance(node.tag, str) and node.tag.endswith(("}p", "}head", "}l"))
            )
            yield Document(tuple(paragraph for paragraph in paragraphs if paragraph), language)


def sae4k(root: Path, split: Split) -> Iterator[Document]:
    """Korean questions and commands (Cho et al. 2020) as one document, for training only."""
    if split == "train":
        yield Document(tuple(line.split("\t")[0].strip() for line in lines(root / "sae4k" / "sae4k_v1.txt")), "ko")
