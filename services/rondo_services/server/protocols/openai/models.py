"""`GET /v1/models` and `GET /v1/models/{model}`: the services of the bundle as models."""

import time

from fastapi import APIRouter

from ....suite import Suite
from ...models import model_id, service_of
from ...schema import ModelCard, ModelList
from .errors import documented


def router(suite: Suite) -> APIRouter:
    """Routes of the list."""
    routes = APIRouter(tags=["openai"])
    started = int(time.time())

    def card(service: str) -> ModelCard:
        languages = suite.contents.manifest.services[service]["languages"]
        return ModelCard(id=model_id(suite, service), created=started, languages=list(languages))

    @routes.get("/v1/models", responses=documented("4XX"))
    async def models() -> ModelList:
        """The services of the bundle; `created` is when the server started."""
        return ModelList(data=[card(service) for service in suite.served()])

    @routes.get("/v1/models/{model:path}", responses=documented(404, "4XX"))
    async def one_model(model: str) -> ModelCard:
        """One of them, by its full name or that of the service alone."""
        return card(service_of(suite, model))

    return routes
