"""Text-classification, translation and summarization, each at the path of its model."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from ....errors import UnknownModel
from ....releases.fleet import Fleet
from ....sentiment.schema import SentimentRequest
from ....summarization.schema import SummarizeRequest
from ....translation.schema import TranslateRequest
from ...answers import Answers
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


_MODELS = "/models/"


def paths_of(fleet: Fleet, service: str) -> list[str]:
    """Of a service's models, by their full names and by that of the service alone."""
    return [f"{_MODELS}{name}" for name in (*fleet.model_ids(service), service)]


def model_of(http: Request) -> str:
    """The model that a path names."""
    path: str = http.scope["path"]
    return path.removeprefix(_MODELS)


def router(answers: Answers) -> APIRouter:
    """Routes of the tasks that the bundle has services for."""
    routes = APIRouter(tags=[TAG], route_class=EngineRoute)

    async def classify(request: ClassificationRequest, http: Request) -> list[list[Label]]:
        """The labels of each text, the likeliest first."""
        own = native(SentimentRequest, {"text": request.inputs, "model": model_of(http)}, {"text": "inputs"})
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
            "model": model_of(http),
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
        fields = {
            "text": request.inputs,
            "max_tokens": search.max_new_tokens,
            "beam_size": search.num_beams,
            "model": model_of(http),
        }
        results = await answers.summaries(http, native(SummarizeRequest, fields))
        return [Summary(summary_text=result.summary) for result in results]

    endpoints: dict[str, Any] = {"sentiment": classify, "translation": translate, "summarization": summarize}
    for service, endpoint in endpoints.items():
        if service in answers.fleet.services:
            for path in paths_of(answers.fleet, service):
                routes.post(path, responses=DOCUMENTED, response_model_exclude_none=True)(endpoint)
    return routes


def _labels(probabilities: Mapping[str, float], parameters: ClassificationParameters) -> list[Label]:
    ranking = ranked(probabilities, raw=parameters.function_to_apply == "none")
    return [Label(label=label, score=score) for label, score in ranking[: parameters.top_k]]


def unknown(fleet: Fleet) -> APIRouter:
    """The route of all other models, after those that are there."""
    routes = APIRouter(tags=[TAG])

    @routes.post("/models/{model:path}", include_in_schema=False)
    async def no_model(model: str) -> None:
        """There is no model but those above: the error names them."""
        fleet.model(model)
        raise UnknownModel(f"{model!r} has no path here; see /docs", field="model")

    return routes
