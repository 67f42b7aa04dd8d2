"""`POST /v1/translate`."""

from fastapi import APIRouter, Request

from ...translation.schema import TranslateReply, TranslateRequest
from ..answers import Answers
from ..errors import DOCUMENTED
from ..models import model_id
from ..routes import NativeRoute


def router(answers: Answers) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["translation"], route_class=NativeRoute)

    @routes.post("/v1/translate", responses=DOCUMENTED, response_model_exclude_none=True)
    async def translate(request: TranslateRequest, http: Request) -> TranslateReply:
        """Translate texts, sentence by sentence."""
        results = await answers.translations(http, request)
        suite = answers.fleet.suite_for("translation")
        return TranslateReply(model=model_id(suite, "translation"), results=results)

    return routes
