"""Scripts that a text may be kept to, as sets of ids that a search can avoid."""

import re

from rondo_tokenizers.vocabulary import Tokenizer

HANGUL = "hangul"
SCRIPTS = (HANGUL,)
"""Names of those that can be avoided."""

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")


def has_hangul(text: str) -> bool:
    """Whether any character is Korean."""
    return _HANGUL.search(text) is not None


def script_pieces(tokenizer: Tokenizer) -> dict[str, list[int]]:
    """The pieces of each script that can be avoided; bytes that only together make a character are none."""
    spellings = (tokenizer.spelling(i).decode("utf-8", errors="replace") for i in range(tokenizer.size))
    return {HANGUL: [i for i, spelling in enumerate(spellings) if has_hangul(spelling)]}


def avoided_script(text: str, source: str, target: str) -> str:
    """What a translation of `text` is kept free of: Korean letters, if it is not into Korean, and none are to be kept.

    The vocabulary is shared by all languages, and a word that the model hardly knows may go on in another script.
    """
    return HANGUL if target != "ko" and (source == "ko" or not has_hangul(text)) else ""
