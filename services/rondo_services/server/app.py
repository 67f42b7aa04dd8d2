"""The FastAPI app over a fleet of bundles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.cors import CORSMiddleware

from ..access.control import AccessControl
from ..languages import only_known
from ..releases.fleet import Fleet
from ..releases.rollout import Rollout
from ..timing import RequestTimes
from . import bundles
from .access.admins import Admins
from .access.gate import KeyGate, document_keys
from .access_log import AccessLog
from .answers import Answers
from .binder import Binder
from .browsers import ContentPolicy, OriginCheck, cors_options
from .bundle_metrics import BundleMetrics
from .docs_page import serve_redoc_without_logo
from .door import Door
from .errors import ErrorReply, install_error_handlers
from .faults import Faults
from .files.jobs import FileJobs, file_jobs
from .headers import ReplyHeaders
from .jobs import routes as job_routes
from .jobs.desk import JobDesk
from .jobs.embedded import at_work
from .jobs.tallying import JobGauges, tallied
from .jobs.uploads import FORM_BYTES
from .json_limits import JsonLimits
from .limits import BodyLimit
from .metrics import CountReplies, ServerMetrics
from .parts import TracedTimes
from .protocols import hugging_face, libretranslate, open_inference, openai, text_embeddings_inference
from .routers import service_routers
from .routes import engine_paths, served_paths
from .schema import Health
from .settings import ServerSettings
from .shapes import ErrorShapes, Failure, failure_reply, native_shape
from .short_way import ShortWay
from .shortcuts import Shortcuts, service_shortcuts
from .telemetry import Telemetry, Traced
from .vitals import add_vitals


def create_app(
    fleet: Fleet,
    settings: ServerSettings,
    metrics: ServerMetrics,
    telemetry: Telemetry | None = None,
    access: AccessControl | None = None,
    rollout: Rollout | None = None,
    bundle_metrics: BundleMetrics | None = None,
) -> FastAPI:
    """One app with a router for each service that a bundle has.

    Args:
        access: decides who may ask; None: everybody may.
        rollout: exchanges bundles; None: they stay.
    """

    jobs, desk, gauges = file_jobs(fleet, settings), JobDesk(settings), JobGauges(metrics.registry)
    add_vitals(metrics.registry, fleet)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with at_work(desk, fleet, settings, rollout), tallied(desk, gauges):
            yield
        if jobs is not None:
            await jobs.close()

    app = FastAPIOffline(  # /docs with its own scripts and styles: by default they come from the network
        title="Rondo",
        version=version("rondo-nlp"),
        description="Sentiment, text generation, summarization and translation over one recurrent backbone.",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the framework's own has paths and queries
    )
    serve_redoc_without_logo(app)
    shapes = error_shapes()
    install_error_handlers(app, shapes)
    app.state.jobs = desk
    with only_known(fleet.languages):  # some routes describe themselves
        routers = _routers(fleet, settings, jobs, desk, asks_for_keys=access is not None)
    for router in routers:
        app.router.routes.extend(router.routes)  # as they are: an included router is another look-up a request
    if rollout is not None:
        administration = bundles.router(
            fleet, rollout, Admins(settings), bundles.PermittedFolders(settings.bundles_dir)
        )
        app.router.routes.extend(administration.routes)
    _add_operations(app, fleet, metrics)
    served, bundle_metrics = served_paths(app.routes), bundle_metrics or BundleMetrics(fleet, metrics.registry)
    app.add_middleware(Faults, shapes=shapes)
    app.add_middleware(
        JsonLimits,
        max_depth=settings.max_json_depth,
        max_values=settings.max_json_values,
        shapes=shapes,
        binary_below=open_inference.PATH,
    )
    app.add_middleware(Door, engine=fleet, paths=engine_paths(app.routes), shapes=shapes)
    app.add_middleware(Binder, fleet=fleet, metrics=bundle_metrics)
    if access is not None:
        app.add_middleware(KeyGate, control=access, shapes=shapes, opened=settings.opened)
        with only_known(fleet.languages):
            document_keys(app.openapi())
    uploads = {openai.files.PATH: settings.max_file_bytes + FORM_BYTES}
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, shapes=shapes, uploads=uploads)
    app.add_middleware(OriginCheck, origins=settings.origins, shapes=shapes)
    if settings.origins:
        app.add_middleware(CORSMiddleware, **cors_options(settings.origins))
    app.add_middleware(ContentPolicy)
    app.add_middleware(ReplyHeaders, times=RequestTimes if telemetry is None else TracedTimes)
    app.add_middleware(CountReplies, metrics=metrics, paths=served)
    if settings.access_log != "off":
        app.add_middleware(AccessLog, routes=served)
    if telemetry is not None:
        app.add_middleware(Traced, telemetry=telemetry, services=served)
    shortcuts = service_shortcuts(fleet, settings) if telemetry is None else Shortcuts()  # spans: on the usual way only
    app.state.short_way = ShortWay(shortcuts, settings, metrics, bundle_metrics, shapes, access)
    return app


def error_shapes() -> ErrorShapes:
    """How each protocol tells of failures."""
    return ErrorShapes(
        {
            **dict.fromkeys(openai.PATHS, openai.error_shape),
            **dict.fromkeys(libretranslate.PATHS, libretranslate.error_shape),
            hugging_face.PATH: hugging_face.error_shape,
            open_inference.PATH: open_inference.error_shape,
            text_embeddings_inference.PATH: text_embeddings_inference.error_shape,
            **dict.fromkeys(("/health/live", "/health/ready"), native_shape),
        }
    )


def _routers(
    fleet: Fleet, settings: ServerSettings, jobs: FileJobs | None, desk: JobDesk, *, asks_for_keys: bool
) -> list[APIRouter]:
    """One for each service that a bundle has, then jobs and the other protocols."""
    answers = Answers(fleet, settings)
    routers = service_routers(answers, settings)
    routers.append(job_routes.router(desk, fleet, settings))
    if "sentiment" in fleet.services:
        routers.append(text_embeddings_inference.router(answers))
    routers += openai.routers(answers, settings, desk)
    routers += libretranslate.routers(answers, settings, jobs, asks_for_keys=asks_for_keys)
    routers += open_inference.routers(answers, settings)
    routers += hugging_face.routers(answers)
    return routers


def _add_operations(app: FastAPI, fleet: Fleet, metrics: ServerMetrics) -> None:
    @app.get("/health/live", tags=["operations"])
    async def live() -> Health:
        """The process answers."""
        return Health(status="live")

    @app.get("/health/ready", tags=["operations"], responses={503: {"model": ErrorReply}}, response_model=Health)
    async def ready() -> Health | JSONResponse:
        """Requests will be answered."""
        if fleet.is_alive:
            return Health(status="ready")
        return failure_reply(Failure(503, "not_ready", "the engine is not running"), native_shape)

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus's text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
