"""`POST /v1/summarize`."""

from fastapi import APIRouter, Request

from ...schema import as_list
from ...suite import Suite
from ...summarization.schema import SummarizeReply, SummarizeRequest
from ...summarization.service import SummarizationService, SummaryOptions
from ..abandonment import while_connected
from ..errors import DOCUMENTED
from ..headers import terms_of
from ..limits import check_size
from ..offload import planned, run
from ..settings import ServerSettings


def router(suite: Suite, service: SummarizationService, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["summarization"])

    @routes.post("/v1/summarize", responses=DOCUMENTED, response_model_exclude_none=True)
    async def summarize(request: SummarizeRequest, http: Request) -> SummarizeReply:
        """Say in a few words what texts are about."""
        terms = terms_of(http, settings.timeout_s)
        options = SummaryOptions(request.max_tokens, request.beam_size)
        plans = await planned(lambda text: service.plan(text, options), as_list(request.text))
        works = [plan.work for plan in plans if plan.work is not None]
        check_size(works, settings.max_text_tokens, suite.engine.limits, "text")
        answers = iter(await while_connected(http, run(suite, works, terms)))
        results = [service.result(plan, next(answers) if plan.work else ()) for plan in plans]
        return SummarizeReply(model=f"{suite.name}/summarization", results=results)

    return routes
