"""`POST /detect` and `GET /health`."""

from fastapi import APIRouter, Request

from rondo_tokenizers.languages import UNKNOWN_LANGUAGE, Detection, identify_language

from ....access.control import charge, identify
from ....errors import EngineFailed
from ....releases.fleet import Fleet
from ..native import native
from .description import body_of
from .errors import documented
from .fields import fields_of
from .schema import DetectedLanguage, DetectFields, LibreTranslateHealth

_SAID_TO_BE = "en"


def told(detection: Detection) -> DetectedLanguage:
    """As LibreTranslate tells it: what can't be told is English, with confidence 0."""
    if detection.language == UNKNOWN_LANGUAGE:
        return DetectedLanguage(confidence=0, language=_SAID_TO_BE)
    return DetectedLanguage(confidence=round(100 * detection.probability), language=detection.language)


def router(fleet: Fleet) -> APIRouter:
    """Routes that need no service."""
    routes = APIRouter(tags=["libretranslate"])

    @routes.post("/detect", responses=documented(400, 403, 413, 415, 429), openapi_extra=body_of(DetectFields))
    async def detect(http: Request) -> list[DetectedLanguage]:
        """The likeliest language of a text. The fields may also come in the query string."""
        async with fields_of(http) as fields:
            request = native(DetectFields, fields)
        identify(request.api_key)
        languages = fleet.asked_languages()
        charge(len(request.q))
        return [told(identify_language(request.q, languages))]

    @routes.get("/health", responses=documented(503))
    async def health() -> LibreTranslateHealth:
        """Requests will be answered."""
        if not fleet.is_alive:
            raise EngineFailed("the engine is not running")
        return LibreTranslateHealth()

    return routes
