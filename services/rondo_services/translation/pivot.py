"""Translation between languages of which no pair was trained, over one that both have a pair with."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from rondo_tokenizers.languages import LANGUAGE_CHARACTERS, Detection, identify_language
from rondo_tokenizers.markup import Unit, read_markup

from ..errors import InvalidInput
from ..languages import AUTO
from ..reading import readable
from ..schema import as_list
from .schema import TranslateRequest, TranslationResult

PIVOT = "en"

Pairs = Sequence[tuple[str, str]]
Translate = Callable[[TranslateRequest], Awaitable[list[TranslationResult]]]


def targets_of(pairs: Pairs, source: str) -> list[str]:
    """Languages that can be reached from one, itself included."""
    direct = {target for own, target in pairs if own == source}
    over = {target for own, target in pairs if own == PIVOT} if PIVOT in direct else set()
    return sorted({source} | direct | over)


def needs_pivot(pairs: Pairs, source: str, target: str) -> bool:
    """Whether a text goes over the pivot."""
    if source == target or (source, target) in pairs:
        return False
    return (source, PIVOT) in pairs and (PIVOT, target) in pairs


def identify(text: str, text_format: str, likely: Iterable[str]) -> Detection:
    """The language of a text, as of `identify_language`; of HTML, that of what a reader sees."""
    if text_format == "html":
        text = " ".join(part.text for part in read_markup(text) if isinstance(part, Unit))
    return identify_language(readable(text[:LANGUAGE_CHARACTERS]), likely)


async def translate_over_pivot(
    request: TranslateRequest, pairs: Pairs, translate: Translate, likely: Iterable[str]
) -> list[TranslationResult]:
    """As `translate`, but also between languages that are no pair; those results have a warning.

    A text that is in the target language already is its own translation.

    Args:
        likely: of which a text is taken to be whose language can hardly be told.

    Raises:
        InvalidInput: a glossary or an alignment is asked for, and the pivot needed; or as `translate` does.
    """
    texts = as_list(request.text)
    languages = [
        identify(text, request.format, likely).language if request.source == AUTO else request.source for text in texts
    ]
    results: dict[int, TranslationResult] = {}
    direct: list[int] = []
    over: dict[str, list[int]] = {}
    for index, (text, language) in enumerate(zip(texts, languages, strict=True)):
        if language == request.target:
            results[index] = _unchanged(text, language)
        elif needs_pivot(pairs, language, request.target):
            over.setdefault(language, []).append(index)
        else:
            direct.append(index)
    if direct:
        own = request.model_copy(update={"text": [texts[index] for index in direct]})
        results.update(zip(direct, await translate(own), strict=True))
    for language, indices in over.items():
        own = request.model_copy(update={"text": [texts[index] for index in indices], "source": language})
        results.update(zip(indices, await _in_two_legs(own, translate), strict=True))
    return [results[index] for index in range(len(texts))]


def _unchanged(text: str, language: str) -> TranslationResult:
    return TranslationResult(
        translation=text,
        source=language,
        target=language,
        score=0.0,
        warning=f"the text is already in {language!r}",
    )


async def _in_two_legs(request: TranslateRequest, translate: Translate) -> list[TranslationResult]:
    if request.glossary or request.explain:
        raise InvalidInput(
            f"{request.source}→{request.target} is translated over {PIVOT!r}, without a glossary or an alignment",
            field="glossary" if request.glossary else "explain",
        )
    first = await translate(request.model_copy(update={"target": PIVOT, "alternatives": 0}))
    middle = [result.translation for result in first]
    second = await translate(request.model_copy(update={"text": middle, "source": PIVOT}))
    return [_joined(*legs) for legs in zip(first, second, strict=True)]


def _joined(first: TranslationResult, second: TranslationResult) -> TranslationResult:
    own = f"no model was trained for {first.source}→{second.target}, so it was translated over {PIVOT!r}"
    warnings = dict.fromkeys(warning for warning in (own, first.warning, second.warning) if warning)
    qualities = [leg.quality for leg in (first, second) if leg.quality is not None]
    return second.model_copy(
        update={
            "source": first.source,
            "score": min(first.score, second.score),
            "quality": min(qualities, default=None),
            "warning": "; ".join(warnings),
        }
    )
