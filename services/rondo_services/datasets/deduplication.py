"""Keeps dev and test texts out of training."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from rondo_tokenizers.normalization import compose

from ..reading import readable
from .examples import Document, Example, Labelled, Pair, TaggedWords

_NO_LETTER = re.compile(r"[\W_]+")
SHORTEST_LINE = 40


def fingerprint(text: str) -> bytes:
    """A hash that letter case, punctuation and white space do not change, unless there is nothing else.

    Of texts it is what the model reads of them, composed (NFC): what is the same to it is the same here.
    """
    text = compose(readable(text))
    letters = _NO_LETTER.sub("", text.casefold()) or text
    return hashlib.blake2b(letters.encode(), digest_size=12).digest()


def _texts(example: Example) -> Iterator[str]:
    match example:
        case Labelled() | TaggedWords():
            yield example.text
        case Pair():
            yield example.source
            yield example.target
            yield from example.references
        case Document():
            yield from (line for line in example.lines if len(line) >= SHORTEST_LINE)


class HeldOut:
    """The fingerprints of every dev and test text; `clean` drops the training examples that hit one."""

    def __init__(self) -> None:
        self._held_out: set[bytes] = set()
        self.num_dropped = 0

    def add(self, examples: Iterable[Example]) -> None:
        """Hold out every text of `examples`."""
        for example in examples:
            self._held_out.update(fingerprint(text) for text in _texts(example))

    def __contains__(self, text: str) -> bool:
        return fingerprint(text) in self._held_out

    def clean(self, examples: Iterable[Example], *, by_source: bool = False) -> Iterator[Example]:
        """The examples that share no text with the held-out ones; a document loses the lines that do.

        Args:
            by_source: a pair may share its target.
        """
        seen: set[tuple[bytes, ...]] = set()
        for example in examples:
            if isinstance(example, Document):
                kept = tuple(line for line in example.lines if len(line) < SHORTEST_LINE or line not in self)
                self.num_dropped += len(example.lines) - len(kept)
                yield Document(kept, example.language)
                continue
            key = tuple(fingerprint(text) for text in _texts(example))
            if key in seen or any(mark in self._held_out for mark in (key[:1] if by_source else key)):
                self.num_dropped += 1
                continue
            seen.add(key)
            yield example
