"""What the readers yield."""

from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with its class."""

    text: str
    label: str
    language: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text with the text it becomes; `references` are all valid targets when there are several."""

    source: str
    target: str
    source_language: str
    target_language: str
    references: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Document:
    """Running text; each line is one item of the stream (a sentence, a paragraph, a blank line)."""

    lines: tuple[str, ...]
    language: str


@dataclass(frozen=True, slots=True)
class TaggedWords:
    """A text with a class for each of its words; `spans` are the words' characters, in order."""

    text: str
    spans: tuple[tuple[int, int], ...]
    labels: tuple[str, ...]
    language: str


Example = Labelled | Pair | Document | TaggedWords
