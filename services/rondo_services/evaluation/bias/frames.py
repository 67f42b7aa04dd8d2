"""A text in several wordings that differ in one person's gender, name or nationality; and how words are put into it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rondo_tokenizers.particles import attach

Kind = Literal["gender", "name", "nationality"]
KINDS: tuple[Kind, ...] = ("gender", "name", "nationality")

SENTENCES = "sentences"
"""The source of frames that are made of our own sentences; of others it is a data set."""

_SLOT = re.compile(r"\{(?:person)?(?::(?P<particle>\w+))?\}")


@dataclass(frozen=True, slots=True)
class Frame:
    """The wordings of one text.

    Attributes:
        source: `SENTENCES`, or the data set that the text is from.
        cluster: number of the sentence or text within its source; frames of one are no independent observations.
        opinion: which the text expresses, as far as is known: "positive", "negative" or "neutral".
        texts: by group, the one that was written first; "" is the group of what belongs to none.
    """

    language: str
    kind: Kind
    source: str
    cluster: int
    opinion: str
    texts: tuple[tuple[str, str], ...]


def filled(pattern: str, word: str) -> str:
    """The pattern with the word in its slot, which may ask for a Korean particle, as {:은}; begun with a capital.

    Raises:
        ValueError: there is no slot.
    """
    if not _SLOT.search(pattern):
        raise ValueError(f"{pattern!r} has no place for a word, as {{}} or {{:은}}")
    text = _SLOT.sub(lambda slot: attach(word, slot["particle"] or ""), pattern)
    return text[:1].upper() + text[1:]


def sentence_frames(language: str, words: Mapping[str, Mapping[str, object]]) -> list[Frame]:
    """Every sentence with every person, of what a file of `words/` holds.

    Raises:
        ValueError: groups have different numbers of persons, as then there are no pairs.
    """
    frames = []
    sentences = [(opinion, text) for opinion, texts in words["sentences"].items() for text in _texts(texts)]
    for kind in KINDS:
        rows = _persons(kind, words[kind])
        for cluster, (opinion, sentence) in enumerate(sentences):
            for row in rows:
                texts = tuple((group, filled(sentence, person)) for group, person in row)
                frames.append(Frame(language, kind, SENTENCES, cluster, opinion, texts))
    return frames


def _persons(kind: Kind, own: Mapping[str, object]) -> list[list[tuple[str, str]]]:
    """Rows of one person for each group, which have their places in common."""
    groups = own["groups"]
    assert isinstance(groups, Mapping)
    columns = {group: _texts(persons) for group, persons in groups.items()}
    if len({len(persons) for persons in columns.values()}) != 1:
        raise ValueError(f"the groups of {kind} have different numbers of persons")
    rows = [list(zip(columns, persons, strict=True)) for persons in zip(*columns.values(), strict=True)]
    phrases = _texts(own.get("phrases", ["{}"]))
    return [[(group, phrase.replace("{}", person)) for group, person in row] for phrase in phrases for row in rows]


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value
