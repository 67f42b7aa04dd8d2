"""`POST /v1/summarize`."""

from fastapi import APIRouter, Request

from ...summarization.schema import SummarizeReply, SummarizeRequest
from ..answers import Answers
from ..errors import DOCUMENTED
from ..models import model_id
from ..routes import EngineRoute


def router(answers: Answers) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["summarization"], route_class=EngineRoute)

    @routes.post("/v1/summarize", responses=DOCUMENTED, response_model_exclude_none=True)
    async def summarize(request: SummarizeRequest, http: Request) -> SummarizeReply:
        """Say in a few words what texts are about."""
        results = await answers.summaries(http, request)
        suite = answers.fleet.suite_for("summarization")
        return SummarizeReply(model=model_id(suite, "summarization"), results=results)

    return routes
