"""`GET /v1/models` and `GET /v1/models/{model}`: the services of the bundles as models."""

import time

from fastapi import APIRouter

from ....releases.fleet import Fleet
from ....releases.slot import Slot
from ...models import model_id
from ...schema import ModelCard, ModelList, ReleaseCard
from .errors import documented


def router(fleet: Fleet) -> APIRouter:
    """Routes of the list."""
    routes = APIRouter(tags=["openai"])
    started = int(time.time())

    def card(slot: Slot, service: str) -> ModelCard:
        suite = slot.current.suite
        return ModelCard(
            id=model_id(suite, service),
            created=started,
            languages=list(suite.contents.manifest.services[service]["languages"]),
            releases=[
                ReleaseCard(hash=one.hash, version=one.version, share=slot.share_of(one)) for one in slot.releases
            ],
        )

    @routes.get("/v1/models", responses=documented("4XX"))
    async def models() -> ModelList:
        """The services of all bundles; `created` is when the server started."""
        return ModelList(data=[card(slot, name) for slot in fleet.slots.values() for name in slot.services])

    @routes.get("/v1/models/{model:path}", responses=documented(404, "4XX"))
    async def one_model(model: str) -> ModelCard:
        """One of them, by its full name or that of the service alone."""
        slot, service = fleet.model(model)
        return card(slot, service)

    return routes
