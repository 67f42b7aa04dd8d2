"""Unicode composition, kept apart from the vocabulary so that the vocabulary itself stays lossless."""

import unicodedata
from collections.abc import Iterator

_LONGEST_MARK_RUN = 64
"""Unicode's own "stream-safe" limit is 30 combining marks; putting n of them in order takes n² steps."""


def _without_long_runs(text: str) -> Iterator[str]:
    """Parts of `text` in which no run of combining marks is longer than the limit."""
    begin = run = 0
    for position, character in enumerate(text):
        run = run + 1 if unicodedata.combining(character) else 0
        if run > _LONGEST_MARK_RUN:
            yield text[begin:position]
            begin, run = position, 1
    yield text[begin:]


def compose(text: str) -> str:
    """Return `text` in Unicode NFC.

    Some systems (macOS file names, some Korean input methods) deliver Hangul as separate jamo; the
    vocabulary was learned from composed syllables and would see such text as rare symbols.
    """
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFC", part) for part in _without_long_runs(text))
