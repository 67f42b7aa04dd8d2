"""Translates what documents say portion by portion, so that a long one never asks for much at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rondo_tokenizers.languages import LANGUAGE_CHARACTERS, UNKNOWN_LANGUAGE

from ..errors import InvalidInput
from ..translation.pivot import Translate, identify
from ..translation.schema import TranslateRequest
from .document import Passage

_PASSAGES = 32
_CHARACTERS = 2000
"""Of a portion; a longer passage is one by itself."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A translation for each passage, and why some may be poor."""

    texts: tuple[str, ...]
    warnings: tuple[str, ...]


def language_of(passages: Sequence[Passage], likely: Iterable[str]) -> str:
    """The language that a document is in; "unknown" if there is nothing to translate.

    Args:
        likely: of which it is if it can hardly be told.

    Raises:
        InvalidInput: it can't be told.
    """
    beginning: list[Passage] = []
    size = 0
    for passage in passages:
        beginning.append(passage)
        size += len(passage.text)
        if size >= LANGUAGE_CHARACTERS:
            break
    if not beginning:
        return UNKNOWN_LANGUAGE
    text_format = "html" if any(passage.format == "html" for passage in beginning) else "text"
    language = identify("\n".join(passage.text for passage in beginning), text_format, likely).language
    if language == UNKNOWN_LANGUAGE:
        raise InvalidInput("the file's language can't be told; give it as source", field="source")
    return language


async def translate_passages(
    passages: Sequence[Passage],
    source: str,
    target: str,
    translate: Translate,
    progress: Callable[[float], None] = lambda share: None,
) -> Translated:
    """All passages in another language.

    Args:
        source, target: ISO 639-1 codes.
        progress: is told which share of the text has been translated.

    Raises what `translate` does.
    """
    total = sum(len(passage.text) for passage in passages)
    done = 0
    texts: list[str] = []
    warnings: dict[str, None] = {}
    for portion in _portions(passages):
        request = {
            "text": [passage.text for passage in portion],
            "source": source,
            "target": target,
            "format": portion[0].format,
        }
        for result in await translate(TranslateRequest.model_validate(request)):
            texts.append(result.translation)
            if result.warning:
                warnings[result.warning] = None
        done += sum(len(passage.text) for passage in portion)
        progress(done / total if total else 1.0)
    return Translated(tuple(texts), tuple(warnings))


def _portions(passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Passages in their order; those of a portion have the same format."""
    portion: list[Passage] = []
    size = 0
    for passage in passages:
        full = len(portion) == _PASSAGES or size + len(passage.text) > _CHARACTERS
        if portion and (full or passage.format != portion[0].format):
            yield portion
            portion, size = [], 0
        portion.append(passage)
        size += len(passage.text)
    if portion:
        yield portion
