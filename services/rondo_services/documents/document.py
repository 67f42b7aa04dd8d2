"""What all kinds of files have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ..errors import InvalidInput

LONGEST_PASSAGE = 20_000
"""Characters of a paragraph, or of whatever else a format can't take apart."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a file that is translated as a whole; `html` has inline tags, which the translation must have too."""

    text: str
    format: Literal["text", "html"] = "text"


class Document(Protocol):
    """A file that was read."""

    @property
    def passages(self) -> Sequence[Passage]:
        """All that is to be translated, in the order of the file."""

    def written(self, translations: Sequence[str]) -> bytes:
        """The file with a translation for each passage; all else is as it was."""


def check_count(number: int, most: int, what: str) -> None:
    """Raises InvalidInput if a file has more of something than is taken."""
    if number > most:
        raise InvalidInput(f"the file has {number} {what}; at most {most}", field="file")
