"""Text that comes piece by piece, and is scored after each at constant cost."""

from rondo_tokenizers.languages import LANGUAGE_CHARACTERS
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Score, Scored
from ..reading import readable
from ..text import encode_text

_LONGEST_OPEN_WORD = 64


class GrowingText:
    """What has come of one text.

    The last word may still grow and is read anew with each piece; what is before it has been read for good. A word of
    more than 64 characters is taken to have ended.
    """

    def __init__(self, tokenizer: Tokenizer, head: str) -> None:
        self._tokenizer = tokenizer
        self._head = head
        self._state: bytes | None = None
        self._open = ""
        self._at_start = True
        self._num_characters = 0
        self._beginning = ""

    @property
    def num_characters(self) -> int:
        """Characters that have come."""
        return self._num_characters

    @property
    def beginning(self) -> str:
        """The first characters, from which the language is told."""
        return self._beginning

    def add(self, piece: str) -> Score:
        """What the engine has to do for the next piece.

        Raises:
            InvalidInput: no Unicode text.
        """
        text = self._open + piece
        end = text.rfind(" ")
        if end <= 0:
            end = len(text) if len(text) > _LONGEST_OPEN_WORD else 0
        ended, self._open = text[:end], text[end:]
        kept = self._ids(ended)
        self._at_start = self._at_start and not kept
        self._num_characters += len(piece)
        self._beginning = (self._beginning + piece)[:LANGUAGE_CHARACTERS]
        return Score(self._head, (*kept, *self._ids(self._open), self._tokenizer.end_id), len(kept), self._state)

    def _ids(self, text: str) -> tuple[int, ...]:
        return encode_text(self._tokenizer, readable(text), continues=not self._at_start)

    def read(self, answer: Scored) -> None:
        """Take note of the engine's answer to the last `add`."""
        self._state = answer.state
