"""Which language a text is in, by a library that ships its model inside its package (py3langid).

Where it was compiled, a function of our own reads that model (`native/scorer.py`): it says the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from .language_names import LANGUAGES
from .native.scorer import NativeScorer, native_scorer

UNKNOWN_LANGUAGE = "unknown"
CANDIDATES = ("en", "de", "ko", "fr", "es", "it", "nl", "pt", "sv", "pl", "tr", "ru", "ja", "zh")
"""Languages told apart. On short sentences a choice among few is far safer than one among a hundred
(docs/log.md)."""

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_LETTER = re.compile(r"[^\W\d_]")
_IN_ADDRESSES = ("://", "www.", "@")
_ADDRESS = re.compile(r"(?<!\S)(?=\S*?(?:://|www\.|[^\s@]@[^\s@]))\S++")
"""A word with an address of the web or of mail in it, which is in no language."""
LANGUAGE_CHARACTERS = 2000
"""Of the beginning of a text, by which its language is told."""
_LIKELY = 4.0
"""How many times as likely as any other a likely language is before the text is read (docs/log.md)."""


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(CANDIDATES))
    return identifier


@lru_cache(maxsize=1)
def _scorer() -> NativeScorer | None:
    return native_scorer(_identifier())


@dataclass(frozen=True, slots=True)
class Detection:
    """What a text seems to be written in.

    Attributes:
        language: ISO 639-1 code among `CANDIDATES`, or "unknown" for a text without letters.
        probability: that it is; of Korean, the share of Hangul in the letters; 0 for "unknown".
    """

    language: str
    probability: float


def detect_language(text: str, likely: Iterable[str] = LANGUAGES) -> str:
    """ISO 639-1 code among `CANDIDATES`, or "unknown" for a text without letters.

    Text with at least as much Hangul as other letters is Korean; the first `LANGUAGE_CHARACTERS` decide, without
    addresses if there is anything else. One of the `likely` is taken to be four times as likely as another before the
    text is read, which decides where that is short.
    """
    return identify_language(text, likely).language


def identify_language(text: str, likely: Iterable[str] = LANGUAGES) -> Detection:
    """The language that `detect_language` finds, and how sure that is.

    The probability is the library's, by the text alone: a softmax among the candidates, flattened by the square root
    of the text's length.
    """
    text = _without_addresses(text[:LANGUAGE_CHARACTERS])
    if _LETTER.search(text) is None:
        return Detection(UNKNOWN_LANGUAGE, 0.0)
    if not text.isascii() and (hangul := len(_HANGUL.findall(text))):
        letters = len(_LETTER.findall(text))
        if 2 * hangul >= letters:
            return Detection("ko", min(1.0, hangul / letters))
    ranked = _ranked(text)
    preferred = {language: _LIKELY * ranked[language] for language in likely}
    weighed = ranked | preferred
    likeliest = max(weighed, key=weighed.__getitem__)
    return Detection(likeliest, ranked[likeliest])


def _without_addresses(text: str) -> str:
    if not any(part in text for part in _IN_ADDRESSES):
        return text
    others = _ADDRESS.sub("", text)
    return others if _LETTER.search(others) else text


def _ranked(text: str) -> dict[str, float]:
    """The probability of each candidate."""
    if (scorer := _scorer()) is not None:
        return dict(zip(scorer.languages, scorer.probabilities(text), strict=True))
    return {str(code): float(probability) for code, probability in _identifier().rank(text)}
