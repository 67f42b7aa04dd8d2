"""`POST /v1/translate`."""

from fastapi import APIRouter, Request

from ...schema import as_list
from ...suite import Suite
from ...translation.schema import TranslateReply, TranslateRequest
from ...translation.service import TranslationOptions, TranslationService
from ..abandonment import while_connected
from ..errors import DOCUMENTED
from ..headers import terms_of
from ..limits import check_size
from ..offload import planned, run
from ..settings import ServerSettings


def router(suite: Suite, service: TranslationService, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["translation"])

    @routes.post("/v1/translate", responses=DOCUMENTED, response_model_exclude_none=True)
    async def translate(request: TranslateRequest, http: Request) -> TranslateReply:
        """Translate texts, sentence by sentence."""
        terms = terms_of(http, settings.timeout_s)
        options = TranslationOptions(
            request.source, request.target, request.beam_size, request.alternatives, rerank=request.rerank
        )
        plans = await planned(lambda text: service.plan(text, options), as_list(request.text))
        works = [work for plan in plans for work in plan.works]
        check_size(works, settings.max_text_tokens, suite.engine.limits, "text")
        answers = iter(await while_connected(http, run(suite, works, terms)))
        results = [service.result(plan, [next(answers) for _ in plan.works]) for plan in plans]
        return TranslateReply(model=f"{suite.name}/translation", results=results)

    return routes
