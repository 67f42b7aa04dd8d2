"""The FastAPI app over a suite."""

import time
from importlib.metadata import version

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from ..suite import Suite
from ..timing import RequestTimes
from .door import Door
from .errors import ErrorReply, error_reply, install_error_handlers
from .headers import ReplyHeaders
from .limits import BodyLimit
from .metrics import CountReplies, ServerMetrics
from .parts import TracedTimes
from .routers import generation, sentiment, summarization, translation
from .settings import ServerSettings
from .telemetry import Telemetry, Traced


class ModelCard(BaseModel):
    """One service of a bundle."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "rondo"
    languages: list[str]


class ModelList(BaseModel):
    """All services."""

    object: str = "list"
    data: list[ModelCard]


class Health(BaseModel):
    """State of the server."""

    status: str


def create_app(
    suite: Suite, settings: ServerSettings, metrics: ServerMetrics, telemetry: Telemetry | None = None
) -> FastAPI:
    """One app with a router for each service that the suite has."""

    app = FastAPIOffline(  # /docs with its own scripts and styles: by default they come from the network
        title="Rondo",
        version=version("rondo-nlp"),
        description="Sentiment, text generation, summarization and translation over one recurrent backbone.",
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the framework's own has paths and queries
    )
    install_error_handlers(app)
    if suite.sentiment is not None:
        app.include_router(sentiment.router(suite, suite.sentiment, settings))
    if suite.generation is not None:
        app.include_router(generation.router(suite, suite.generation, settings))
    if suite.summarization is not None:
        app.include_router(summarization.router(suite, suite.summarization, settings))
    if suite.translation is not None:
        app.include_router(translation.router(suite, suite.translation, settings))
    _add_operations(app, suite, metrics)
    app.add_middleware(Door, engine=suite.engine, paths=engine_services(app))
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(ReplyHeaders, times=RequestTimes if telemetry is None else TracedTimes)
    app.add_middleware(CountReplies, metrics=metrics, paths=frozenset(app.openapi()["paths"]))
    if telemetry is not None:
        app.add_middleware(Traced, telemetry=telemetry, services=services_by_path(app))
    return app


def services_by_path(app: FastAPI) -> dict[str, str]:
    """What is served, by path."""
    paths = app.openapi()["paths"]
    return {path: next(iter(methods.values()))["tags"][0] for path, methods in paths.items()}


def engine_services(app: FastAPI) -> dict[str, str]:
    """Names of the services that need the engine, by the path to which its requests are posted."""
    posted = {path for path, methods in app.openapi()["paths"].items() if "post" in methods}
    return {path: service for path, service in services_by_path(app).items() if path in posted}


def _add_operations(app: FastAPI, suite: Suite, metrics: ServerMetrics) -> None:
    started = int(time.time())

    @app.get("/health/live", tags=["operations"])
    async def live() -> Health:
        """The process answers."""
        return Health(status="live")

    @app.get("/health/ready", tags=["operations"], responses={503: {"model": ErrorReply}}, response_model=Health)
    async def ready() -> Health | JSONResponse:
        """Requests will be answered."""
        if suite.engine.is_alive:
            return Health(status="ready")
        return error_reply(503, "not_ready", "the engine is not running")

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus's text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models", tags=["operations"])
    async def models() -> ModelList:
        """The services of the bundle."""
        offered = suite.contents.manifest.services
        return ModelList(
            data=[
                ModelCard(id=f"{suite.name}/{name}", created=started, languages=list(offered[name]["languages"]))
                for name in suite.served()
            ]
        )
