"""Text-classification, translation and summarization, each at the path of its model."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from ....sentiment.schema import SentimentRequest
from ....suite import Suite
from ....summarization.schema import SummarizeRequest
from ....translation.schema import TranslateRequest
from ...answers import Answers
from ...models import model_id, service_of
from ...routes import EngineRoute
from ..native import native
from ..ranking import ranked
from .errors import DOCUMENTED
from .schema import (
    ClassificationParameters,
    ClassificationRequest,
    Label,
    SummarizationGeneration,
    SummarizationParameters,
    SummarizationRequest,
    Summary,
    Translation,
    TranslationGeneration,
    TranslationRequest,
)

TAG = "hugging-face"


def paths_of(suite: Suite, service: str) -> tuple[str, str]:
    """Of a service's model, by its full name and by that of the service alone."""
    return f"/models/{model_id(suite, service)}", f"/models/{service}"


def router(answers: Answers) -> APIRouter:
    """Routes of the tasks that the bundle has services for."""
    routes = APIRouter(tags=[TAG], route_class=EngineRoute)
    suite = answers.suite

    async def classify(request: ClassificationRequest, http: Request) -> list[list[Label]]:
        """The labels of each text, the likeliest first."""
        own = native(SentimentRequest, {"text": request.inputs}, {"text": "inputs"})
        results = await answers.sentiment(http, own)
        parameters = request.parameters or ClassificationParameters()
        return [_labels(result.scores, parameters) for result in results]

    async def translate(request: TranslationRequest, http: Request) -> list[Translation]:
        """The translation of each text."""
        search = request.parameters.generate_parameters or TranslationGeneration()
        fields = {
            "text": request.inputs,
            "source": request.parameters.src_lang,
            "target": request.parameters.tgt_lang,
            "beam_size": search.num_beams,
            "glossary": search.glossary,
            "explain": search.explain,
        }
        results = await answers.translations(http, native(TranslateRequest, fields))
        return [
            Translation(translation_text=result.translation, quality=result.quality, alignment=result.alignment)
            for result in results
        ]

    async def summarize(request: SummarizationRequest, http: Request) -> list[Summary]:
        """The summary of each text."""
        parameters = request.parameters or SummarizationParameters()
        search = parameters.generate_parameters or SummarizationGeneration()
        fields = {"text": request.inputs, "max_tokens": search.max_new_tokens, "beam_size": search.num_beams}
        results = await answers.summaries(http, native(SummarizeRequest, fields))
        return [Summary(summary_text=result.summary) for result in results]

    endpoints: dict[str, Any] = {"sentiment": classify, "translation": translate, "summarization": summarize}
    for service, endpoint in endpoints.items():
        if service in suite.served():
            for path in paths_of(suite, service):
                routes.post(path, responses=DOCUMENTED, response_model_exclude_none=True)(endpoint)
    return routes


def _labels(probabilities: Mapping[str, float], parameters: ClassificationParameters) -> list[Label]:
    ranking = ranked(probabilities, raw=parameters.function_to_apply == "none")
    return [Label(label=label, score=score) for label, score in ranking[: parameters.top_k]]


def unknown(suite: Suite) -> APIRouter:
    """The route of all other models, after those that are there."""
    routes = APIRouter(tags=[TAG])

    @routes.post("/models/{model:path}", include_in_schema=False)
    async def no_model(model: str) -> None:
        """There is no model but those above: the error names them."""
        service_of(suite, model)

    return routes
