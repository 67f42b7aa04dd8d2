"""Routes of the Open Inference Protocol below `/v2`."""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response, status
from fastapi.responses import JSONResponse

from ....errors import InvalidInput, NotServed, UnknownModel
from ....releases.slot import Slot
from ....suite import Suite
from ....timing import RequestTimes, request_times
from ...answers import Answers
from ...routes import EngineRoute
from ...settings import ServerSettings
from ..native import parsed
from .body import JSON_LENGTH, read_request
from .errors import documented
from .inference import Order, reply_of
from .models import MODELS, labels_of
from .request_body import described_body
from .schema import (
    ConfigParameter,
    ConfigTensor,
    IndexEntry,
    IndexRequest,
    InferReply,
    InferRequest,
    ModelConfig,
    ModelMetadata,
    ModelReady,
    ModelStatistics,
    ServerHealth,
    ServerMetadata,
    Statistics,
    TensorMetadata,
)
from .statistics import Counters

_TAG = "open-inference"
_PLATFORM = "rondo"
_EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
]
_TYPES = {"BYTES": "TYPE_STRING"}
_BINARY: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": f"JSON, or JSON of {JSON_LENGTH} bytes and binary outputs",
    }
}
_ERRORS = documented("4XX")
_MODEL_ERRORS = documented(404, "4XX")


Find = Callable[..., Awaitable["_Known"]]
"""A dependency: the model that a path means."""


def routers(answers: Answers, settings: ServerSettings) -> list[APIRouter]:
    """All routes."""
    catalogue = _Catalogue(answers)
    routes = APIRouter(tags=[_TAG])
    for_engine = APIRouter(tags=[_TAG], route_class=EngineRoute)
    _add_server(routes, catalogue)  # before the models: "stats" is none
    for path, find in _ways_to_models(catalogue).items():
        _add_inference(for_engine, catalogue, settings, path, find)
        _add_model(routes, catalogue, path, find)
    _add_repository(routes, catalogue)
    return [for_engine, routes]


def _ways_to_models(catalogue: "_Catalogue") -> dict[str, Find]:
    known = Path(json_schema_extra={"enum": list(catalogue.names)})
    current = Path(json_schema_extra={"examples": versions_of(catalogue.fleet.default)})

    async def current_version(model: str = known) -> _Known:
        return catalogue.find(model)

    async def given_version(model: str = known, version: str = current) -> _Known:
        return catalogue.find(model, version)

    return {"/v2/models/{model}": current_version, "/v2/models/{model}/versions/{version}": given_version}


@dataclass(frozen=True, slots=True)
class _Known:
    """A model.

    Attributes:
        version: that the path asks for; None: any.
    """

    name: str
    slot: Slot
    service: str
    version: str | None = None


class _Catalogue:
    """The models that are there, with what is counted of them.

    The first bundle that has a service has it as a model by its bare name, the others as `BUNDLE.SERVICE`.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.fleet = answers.fleet
        self._models: dict[str, _Known] = {}
        for slot in self.fleet.slots.values():
            for service in slot.services:
                name = service if slot is self.fleet.first_with(service) else f"{slot.name}.{service}"
                self._models[name] = _Known(name, slot, service)
        self.names = list(self._models)
        self.counters = {name: Counters() for name in self.names}

    @property
    def models(self) -> Iterable[_Known]:
        """All of them."""
        return self._models.values()

    def find(self, model: str, version: str | None = None) -> _Known:
        """The model that is meant.

        Raises:
            UnknownModel: there is no such model, or it has no such version.
        """
        if model not in self._models:
            known = ", ".join(self.names)
            raise UnknownModel(f"there is no model {model!r}; choose among {known}", field="model_name")
        found = self._models[model]
        versions = versions_of(found.slot)
        if version is not None and version not in versions:
            told = ", ".join(map(repr, versions))
            raise UnknownModel(f"{model} has no version {version!r}, only {told}", field="version")
        return replace(found, version=version)

    def suite(self, known: _Known) -> Suite:
        """What answers the request at hand for a model."""
        name = f"{known.slot.name}/{known.service}"
        if known.version is not None and len(known.slot.releases) > 1:
            release = next(one for one in known.slot.releases if one.version == known.version)
            name = f"{known.slot.name}@{release.fingerprint}/{known.service}"
        return self.fleet.suite_for(known.service, name)


def versions_of(slot: Slot) -> list[str]:
    """Of the bundles that answer under a name, that of the current release first."""
    return list(dict.fromkeys(release.version for release in slot.releases))


def _ready_status(ready: bool) -> int:
    return status.HTTP_200_OK if ready else status.HTTP_503_SERVICE_UNAVAILABLE


def _add_inference(routes: APIRouter, catalogue: _Catalogue, settings: ServerSettings, path: str, find: Find) -> None:
    @routes.post(f"{path}/infer", **_INFER)
    async def infer(http: Request, known: Annotated[_Known, Depends(find)]) -> Response:
        """Answer for the texts in the tensor `text`; options of the model are inputs or request parameters."""
        began = time.monotonic()
        counters = catalogue.counters[known.name]
        try:
            request, binary = await read_request(http, settings)
            if request.model_name is not None and catalogue.find(request.model_name).name != known.name:
                raise InvalidInput(
                    f"model_name is {request.model_name!r}, but the path says {known.name!r}", field="model_name"
                )
            suite, model = catalogue.suite(known), MODELS[known.service]
            order = Order(model, request, binary)
            results = await model.ask(catalogue.answers, http, order.native)
            answered = time.monotonic()
            head = {"model_name": known.name, "model_version": suite.contents.manifest.version}
            if request.id is not None:
                head["id"] = request.id
            reply = reply_of(head, order.outputs(results, labels_of(suite, known.service)))
        except Exception:
            counters.failed(time.monotonic() - began)
            raise
        ended = time.monotonic()
        counters.succeeded(len(results), request_times.get() or RequestTimes(), ended - answered, ended - began)
        return reply


_INFER: dict[str, Any] = {
    "responses": {**documented(400, 404, 413, 415, 429, 503, 504, "4XX"), **_BINARY},
    "response_model": InferReply,
    "openapi_extra": described_body(InferRequest, required=True),
}


def _add_server(routes: APIRouter, catalogue: _Catalogue) -> None:
    @routes.get("/v2", responses=_ERRORS)
    async def server() -> ServerMetadata:
        """What the server is."""
        return ServerMetadata(name="rondo", version=version("rondo-nlp"), extensions=_EXTENSIONS)

    @routes.get("/v2/health/live", responses=_ERRORS)
    async def live() -> ServerHealth:
        """The process answers."""
        return ServerHealth(live=True, ready=catalogue.fleet.is_alive)

    @routes.get("/v2/health/ready", responses={503: {"model": ServerHealth}, **_ERRORS}, response_model=ServerHealth)
    async def ready() -> JSONResponse:
        """Requests will be answered."""
        health = ServerHealth(live=True, ready=catalogue.fleet.is_alive)
        return JSONResponse(health.model_dump(), _ready_status(health.ready))

    @routes.get("/v2/models/stats", responses=_ERRORS)
    async def all_statistics() -> Statistics:
        """What came to the models."""
        return Statistics(model_stats=[_statistics(catalogue, known) for known in catalogue.models])


def _add_model(routes: APIRouter, catalogue: _Catalogue, path: str, find: Find) -> None:
    @routes.get(f"{path}/stats", responses=_MODEL_ERRORS)
    async def statistics(known: Annotated[_Known, Depends(find)]) -> Statistics:
        """What came to one of them."""
        return Statistics(model_stats=[_statistics(catalogue, known)])

    @routes.get(path, responses=_MODEL_ERRORS)
    async def metadata(known: Annotated[_Known, Depends(find)]) -> ModelMetadata:
        """What a model takes and gives; all inputs but `text`, and `target` of translation, are optional."""
        own = MODELS[known.service]
        return ModelMetadata(
            name=known.name,
            versions=versions_of(known.slot),
            platform=_PLATFORM,
            inputs=[TensorMetadata(name=n, datatype=datatype, shape=shape) for n, datatype, shape in own.inputs()],
            outputs=[
                TensorMetadata(name=output.name, datatype=output.datatype, shape=[-1, -1] if output.wide else [-1])
                for output in own.outputs
            ],
        )

    ready_documentation: dict[str, Any] = {
        "responses": {503: {"model": ModelReady}, **_MODEL_ERRORS},
        "response_model": ModelReady,
    }

    @routes.get(f"{path}/ready", **ready_documentation)
    async def model_ready(known: Annotated[_Known, Depends(find)]) -> JSONResponse:
        """Requests to the model will be answered."""
        own = ModelReady(name=known.name, ready=_is_ready(known.slot))
        return JSONResponse(own.model_dump(), _ready_status(own.ready))

    config_documentation: dict[str, Any] = {"responses": _MODEL_ERRORS, "response_model_exclude_none": True}

    @routes.get(f"{path}/config", **config_documentation)
    async def config(known: Annotated[_Known, Depends(find)]) -> ModelConfig:
        """A model's configuration, as Triton has it."""
        own, suite = MODELS[known.service], catalogue.suite(known)
        manifest = suite.contents.manifest
        said = {"version": manifest.version, "languages": ",".join(manifest.services[known.service]["languages"])}
        if labels := labels_of(suite, known.service):
            said["labels"] = ",".join(labels)
        return ModelConfig(
            name=known.name,
            platform=_PLATFORM,
            backend=_PLATFORM,
            max_batch_size=0,  # the texts' dimension is one of the model's own
            input=[
                ConfigTensor(name=n, data_type=_config_type(datatype), dims=dims, optional=n != "text")
                for n, datatype, dims in own.inputs()
            ],
            output=[
                ConfigTensor(
                    name=output.name,
                    data_type=_config_type(output.datatype),
                    dims=[-1, -1] if output.wide else [-1],
                )
                for output in own.outputs
            ],
            parameters={key: ConfigParameter(string_value=value) for key, value in said.items()},
        )


def _is_ready(slot: Slot) -> bool:
    return slot.current.suite.engine.is_alive


def _statistics(catalogue: _Catalogue, known: _Known) -> ModelStatistics:
    return catalogue.counters[known.name].reply(known.name, known.version or known.slot.current.version)


def _config_type(datatype: str) -> str:
    return _TYPES.get(datatype, f"TYPE_{datatype}")


def _add_repository(routes: APIRouter, catalogue: _Catalogue) -> None:
    @routes.post(
        "/v2/repository/index",
        responses=documented(400, 413, "4XX"),
        openapi_extra=described_body(IndexRequest, required=False),
    )
    async def index(http: Request) -> list[IndexEntry]:
        """All models; the body may be empty."""
        content = await http.body()
        only_ready = bool(content.strip()) and parsed(IndexRequest, content).ready
        entries = [_entry(known, version) for known in catalogue.models for version in versions_of(known.slot)]
        return [entry for entry in entries if entry.state == "READY" or not only_ready]

    @routes.post("/v2/repository/models/{model}/load", responses=documented(400, 404, "4XX"), status_code=400)
    @routes.post("/v2/repository/models/{model}/unload", responses=documented(400, 404, "4XX"), status_code=400)
    async def load_or_unload(model: str) -> None:
        """Always refused: names and services are fixed by the settings the server was started with."""
        name = catalogue.find(model).name
        raise NotServed(
            f"{name} can't be loaded or unloaded; administrators exchange bundles at /v1/bundles",
            field="model",
        )


def _entry(known: _Known, version: str) -> IndexEntry:
    if _is_ready(known.slot):
        return IndexEntry(name=known.name, version=version, state="READY", reason="")
    return IndexEntry(name=known.name, version=version, state="UNAVAILABLE", reason="the engine is not running")
