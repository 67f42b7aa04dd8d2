"""Routes of the Open Inference Protocol below `/v2`."""

import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, Path, Request, Response, status
from fastapi.responses import JSONResponse

from ....errors import InvalidInput, NotServed, UnknownModel
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


Find = Callable[..., Awaitable[str]]
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
    current = Path(json_schema_extra={"enum": [catalogue.version]})

    async def current_version(model: str = known) -> str:
        return catalogue.find(model)

    async def given_version(model: str = known, version: str = current) -> str:
        return catalogue.find(model, version)

    return {"/v2/models/{model}": current_version, "/v2/models/{model}/versions/{version}": given_version}


class _Catalogue:
    """The models that are there, with what is counted of them."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.suite = answers.suite
        self.names = list(self.suite.served())
        self.version = self.suite.contents.manifest.version
        self.counters = {name: Counters() for name in self.names}

    def find(self, model: str, version: str | None = None) -> str:
        """The service that is meant.

        Raises:
            UnknownModel: there is no such model, or it has no such version.
        """
        if model not in self.names:
            known = ", ".join(self.names)
            raise UnknownModel(f"there is no model {model!r}; choose among {known}", field="model_name")
        if version not in (None, self.version):
            raise UnknownModel(f"{model} has no version {version!r}, only {self.version!r}", field="version")
        return model

    @property
    def is_ready(self) -> bool:
        return self.suite.engine.is_alive


def _ready_status(ready: bool) -> int:
    return status.HTTP_200_OK if ready else status.HTTP_503_SERVICE_UNAVAILABLE


def _add_inference(routes: APIRouter, catalogue: _Catalogue, settings: ServerSettings, path: str, find: Find) -> None:
    @routes.post(f"{path}/infer", **_INFER)
    async def infer(http: Request, name: str = Depends(find)) -> Response:
        """Answer for the texts in the tensor `text`; options of the model are inputs or request parameters."""
        began = time.monotonic()
        counters = catalogue.counters[name]
        try:
            request, binary = await read_request(http, settings)
            if request.model_name is not None and catalogue.find(request.model_name) != name:
                raise InvalidInput(
                    f"model_name is {request.model_name!r}, but the path says {name!r}", field="model_name"
                )
            order = Order(MODELS[name], request, binary)
            results = await MODELS[name].ask(catalogue.answers, http, order.native)
            answered = time.monotonic()
            head = {"model_name": name, "model_version": catalogue.version}
            if request.id is not None:
                head["id"] = request.id
            reply = reply_of(head, order.outputs(results, labels_of(catalogue.suite, name)))
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
        return ServerHealth(live=True, ready=catalogue.is_ready)

    @routes.get("/v2/health/ready", responses={503: {"model": ServerHealth}, **_ERRORS}, response_model=ServerHealth)
    async def ready() -> JSONResponse:
        """Requests will be answered."""
        health = ServerHealth(live=True, ready=catalogue.is_ready)
        return JSONResponse(health.model_dump(), _ready_status(health.ready))

    @routes.get("/v2/models/stats", responses=_ERRORS)
    async def all_statistics() -> Statistics:
        """What came to the models."""
        counters = catalogue.counters.items()
        return Statistics(model_stats=[own.reply(name, catalogue.version) for name, own in counters])


def _add_model(routes: APIRouter, catalogue: _Catalogue, path: str, find: Find) -> None:
    @routes.get(f"{path}/stats", responses=_MODEL_ERRORS)
    async def statistics(name: str = Depends(find)) -> Statistics:
        """What came to one of them."""
        return Statistics(model_stats=[catalogue.counters[name].reply(name, catalogue.version)])

    @routes.get(path, responses=_MODEL_ERRORS)
    async def metadata(name: str = Depends(find)) -> ModelMetadata:
        """What a model takes and gives; all inputs but `text`, and `target` of translation, are optional."""
        own = MODELS[name]
        return ModelMetadata(
            name=name,
            versions=[catalogue.version],
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
    async def model_ready(name: str = Depends(find)) -> JSONResponse:
        """Requests to the model will be answered."""
        own = ModelReady(name=name, ready=catalogue.is_ready)
        return JSONResponse(own.model_dump(), _ready_status(own.ready))

    config_documentation: dict[str, Any] = {"responses": _MODEL_ERRORS, "response_model_exclude_none": True}

    @routes.get(f"{path}/config", **config_documentation)
    async def config(name: str = Depends(find)) -> ModelConfig:
        """A model's configuration, as Triton has it."""
        own = MODELS[name]
        said = {"version": catalogue.version, "languages": ",".join(_languages(catalogue, name))}
        if labels := labels_of(catalogue.suite, name):
            said["labels"] = ",".join(labels)
        return ModelConfig(
            name=name,
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


def _languages(catalogue: _Catalogue, name: str) -> list[str]:
    return list(catalogue.suite.contents.manifest.services[name]["languages"])


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
        if not catalogue.is_ready:
            broken = "the engine is not running"
            entries = [] if only_ready else catalogue.names
            return [
                IndexEntry(name=name, version=catalogue.version, state="UNAVAILABLE", reason=broken) for name in entries
            ]
        return [IndexEntry(name=name, version=catalogue.version, state="READY", reason="") for name in catalogue.names]

    @routes.post("/v2/repository/models/{model}/load", responses=documented(400, 404, "4XX"), status_code=400)
    @routes.post("/v2/repository/models/{model}/unload", responses=documented(400, 404, "4XX"), status_code=400)
    async def load_or_unload(model: str) -> None:
        """Always refused: what is served is fixed by the bundle and the settings the server was started with."""
        name = catalogue.find(model)
        raise NotServed(f"{name} can't be loaded or unloaded: the bundle is fixed while the server runs", field="model")
