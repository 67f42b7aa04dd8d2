"""What all services do with text: ids of a source, and the language it is in."""

from collections.abc import Iterable, Sequence
from itertools import chain

from rondo_models.decoding.loops import most_repeats
from rondo_tokenizers.languages import LANGUAGE_CHARACTERS, UNKNOWN_LANGUAGE, detect_language
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

from .errors import InvalidInput
from .giving_way import giving_way
from .languages import AUTO
from .reading import readable

LONG_CHARACTERS = 4096
"""Of a text that is worked on in parts."""
_ALLOWED_REPEATS = 3
"""None of the translations in Tatoeba, StyleKQC and the Bible repeats more (docs/log.md)."""


def encode_text(tokenizer: Tokenizer, text: str, *, continues: bool = False) -> tuple[int, ...]:
    """Ids of `text` after Unicode composition; one that continues another begins as it is.

    Raises:
        InvalidInput: `text` is no Unicode text.
    """
    try:
        if len(text) > LONG_CHARACTERS:
            parts = tokenizer.encode_in_parts(compose(text), continues=continues)
            return tuple(chain.from_iterable(giving_way(parts, every=1)))
        encode = tokenizer.encode_continuation if continues else tokenizer.encode
        return tuple(encode(compose(text)))
    except ValueError as error:
        raise _not_unicode(error) from error


def _not_unicode(error: ValueError) -> InvalidInput:
    return InvalidInput(f"the text is not valid Unicode: {error}", field="text")


def token_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> list[int]:
    """How many ids `encode_text` has for each text, in less time; raises as it does."""
    try:
        return list(map(len, tokenizer.encode_batch(list(map(compose, texts)))))
    except ValueError as error:
        raise _not_unicode(error) from error


def source_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Ids of a text that is to be encoded, ended by the end symbol."""
    return (*encode_text(tokenizer, text), tokenizer.end_id)


def allowed_repeats(source: Sequence[int]) -> int:
    """How often in a row an n-gram of a target may come: as often as one of its source does, and a few times anyway."""
    return max(_ALLOWED_REPEATS, most_repeats(source))


def language_of(text: str, tokenizer: Tokenizer) -> str:
    """The language that a text seems to be in; "unknown" if it has no letters."""
    return detect_language(readable(text[:LANGUAGE_CHARACTERS]), tokenizer.target_ids)


def resolve_language(text: str, asked: str, trained: Iterable[str], tokenizer: Tokenizer) -> tuple[str, str | None]:
    """The text's language, given or detected, and a warning if the service was not trained on it."""
    language = language_of(text, tokenizer) if asked == AUTO else asked
    known = list(trained)
    if language in known:
        return language, None
    reason = "the text has no letters" if language == UNKNOWN_LANGUAGE else _not_trained(language, known)
    return language, f"{reason}; the result may be poor"


def _not_trained(language: str, known: list[str]) -> str:
    return f"not trained on {language!r} text, only on {', '.join(known)}"
