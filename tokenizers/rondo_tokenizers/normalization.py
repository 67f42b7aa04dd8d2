"""Unicode composition, kept apart from the vocabulary so that the vocabulary itself stays lossless."""

import unicodedata


def compose(text: str) -> str:
    """Return `text` in Unicode NFC.

    Some systems (macOS file names, some Korean input methods) deliver Hangul as separate jamo; the
    vocabulary was learned from composed syllables and would see such text as rare symbols.
    """
    return unicodedata.normalize("NFC", text)
