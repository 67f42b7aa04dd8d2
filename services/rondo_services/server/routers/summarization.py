"""`POST /v1/summarize`."""

from fastapi import APIRouter, Request

from ...summarization.schema import SummarizeReply, SummarizeRequest
from ..answers import Answers
from ..errors import DOCUMENTED
from ..models import model_id
from ..routes import NativeRoute


def router(answers: Answers) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["summarization"], route_class=NativeRoute)

    @routes.post("/v1/summarize", responses=DOCUMENTED, response_model_exclude_none=True)
    async def summarize(request: SummarizeRequest, http: Request) -> SummarizeReply:
        """Say in a few words what texts are about, or shorten them to the words that matter."""
        results = await answers.summaries(http, request)
        service = "compression" if request.method == "extract" else "summarization"
        return SummarizeReply(model=model_id(answers.fleet.suite_for(service), service), results=results)

    return routes
