"""`POST /translate`, and what clients ask before: `GET /languages`, `GET /frontend/settings`."""

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from rondo_tokenizers.language_names import LANGUAGE_NAMES

from ....access.control import identify
from ....documents.formats import EXTENSIONS
from ....languages import AUTO
from ....releases.fleet import Fleet
from ....suite import Suite
from ....translation import pivot
from ....translation.schema import TranslateRequest, TranslationResult
from ...answers import Answers
from ...routes import EngineRoute
from ..native import native
from .description import body_of
from .detection import told
from .errors import documented
from .fields import fields_of
from .schema import (
    ChosenLanguages,
    DetectedLanguage,
    FrontendSettings,
    Language,
    LibreTranslateReply,
    NamedLanguage,
    TranslateFields,
)

_BEAM_SIZE = 4


def router(answers: Answers) -> APIRouter:
    """The route that translates texts."""
    routes = APIRouter(tags=["libretranslate"], route_class=EngineRoute)

    @routes.post(
        "/translate",
        responses=documented(400, 403, 413, 415, 429, 503, 504, "4XX"),
        openapi_extra=body_of(TranslateFields),
        response_model_exclude_none=True,
    )
    async def translate(http: Request) -> LibreTranslateReply:
        """Translate texts; over English where no model was trained for the two languages.

        The fields may also come in the query string.
        """
        async with fields_of(http) as fields:
            request = native(TranslateFields, fields)
        identify(request.api_key)
        texts = [request.q] if isinstance(request.q, str) else request.q
        own = native(
            TranslateRequest,
            {
                "text": texts,
                "source": request.source,
                "target": request.target,
                "format": request.format,
                "alternatives": request.alternatives,
                "glossary": request.glossary,
                "explain": request.explain,
                "beam_size": max(_BEAM_SIZE, request.alternatives + 1),
            },
            {"text": "q"},
        )
        suite = answers.fleet.suite_for("translation")
        likely = suite.tokenizer.target_ids
        translate = partial(answers.translations, http)
        results = await pivot.translate_over_pivot(own, pairs_of(suite), translate, likely)
        detected = None
        if request.source == AUTO:
            detected = [told(pivot.identify(text, request.format, likely)) for text in texts]
        return _reply(request, results, detected)

    return routes


def _reply(
    request: TranslateFields, results: Sequence[TranslationResult], detected: list[DetectedLanguage] | None
) -> LibreTranslateReply:
    alternatives = [result.alternatives or [] for result in results] if request.alternatives else None
    translated, warnings = [result.translation for result in results], [result.warning for result in results]
    qualities = [result.quality for result in results]
    alignments = [result.alignment or [] for result in results] if request.explain else None
    if isinstance(request.q, str):
        return LibreTranslateReply(
            translatedText=translated[0],
            detectedLanguage=detected and detected[0],
            alternatives=alternatives and alternatives[0],
            warning=warnings[0],
            quality=qualities[0],
            alignment=alignments and alignments[0],
        )
    return LibreTranslateReply(
        translatedText=translated,
        detectedLanguage=detected,
        alternatives=alternatives,
        warning=warnings if any(warnings) else None,
        quality=None if qualities.count(None) == len(qualities) else qualities,
        alignment=alignments,
    )


def pairs_of(suite: Suite) -> pivot.Pairs:
    """Languages that a suite translates between."""
    assert suite.translation is not None, "what is found by a service has it"
    return suite.translation.pairs


def about(fleet: Fleet, *, asks_for_keys: bool) -> APIRouter:
    """Routes that say what is offered, and refuse what is not."""
    routes = APIRouter(tags=["libretranslate"])

    @routes.get("/languages")
    async def languages() -> list[Language]:
        """All languages, with those into which they are translated, directly or over English."""
        pairs = pairs_of(fleet.suite_for("translation"))
        codes = sorted({code for pair in pairs for code in pair})
        return [
            Language(code=code, name=LANGUAGE_NAMES.get(code, code), targets=pivot.targets_of(pairs, code))
            for code in codes
        ]

    @routes.get("/frontend/settings")
    async def frontend_settings() -> FrontendSettings:
        """What a front end needs to know."""
        target = pairs_of(fleet.suite_for("translation"))[0][1]
        return FrontendSettings(
            apiKeys=asks_for_keys,
            keyRequired=asks_for_keys,
            supportedFilesFormat=list(EXTENSIONS),
            language=ChosenLanguages(
                source=NamedLanguage(code=AUTO, name="Auto Detect"),
                target=NamedLanguage(code=target, name=LANGUAGE_NAMES.get(target, target)),
            ),
        )

    @routes.post("/suggest", status_code=403, response_model=None, responses=documented("4XX"))
    async def suggest() -> None:
        """Always refused: suggestions are not collected here."""
        raise HTTPException(403, "suggestions are not collected on this server")

    return routes
