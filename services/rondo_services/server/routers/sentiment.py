"""`POST /v1/sentiment`."""

from fastapi import APIRouter, Request

from ...schema import as_list
from ...sentiment.schema import SentimentReply, SentimentRequest
from ...sentiment.service import SentimentService
from ...suite import Suite
from ..abandonment import while_connected
from ..errors import DOCUMENTED
from ..headers import terms_of
from ..limits import check_size
from ..offload import planned
from ..settings import ServerSettings


def router(suite: Suite, service: SentimentService, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["sentiment"])

    @routes.post("/v1/sentiment", responses=DOCUMENTED, response_model_exclude_none=True)
    async def sentiment(request: SentimentRequest, http: Request) -> SentimentReply:
        """Say whether texts are positive or negative."""
        terms = terms_of(http, settings.timeout_s)
        texts = as_list(request.text)
        works = await planned(suite.engine, service.work, texts)
        check_size(works, settings.max_text_tokens, suite.engine.limits, "text")
        answers = await while_connected(http, suite.run(works, terms))
        results = [service.result(text, request.language, answer) for text, answer in zip(texts, answers, strict=True)]
        return SentimentReply(model=f"{suite.name}/sentiment", results=results)

    return routes
