"""Answers requests of batches by an app like the server's own, without its keys and limits of connections."""

from collections.abc import Sequence

import httpx
from fastapi import APIRouter, FastAPI
from pydantic_core import from_json

from ...errors import InvalidInput
from ...languages import only_known
from ...releases.fleet import Fleet
from ...suite import Suite
from ..answers import Answers
from ..door import Door
from ..errors import failure_of, install_error_handlers
from ..faults import Faults
from ..headers import ReplyHeaders, request_id
from ..json_limits import JsonLimits
from ..limits import BodyLimit
from ..protocols.openai import completions
from ..protocols.openai.errors import error_shape
from ..routers import service_routers
from ..routes import engine_paths
from ..settings import ServerSettings
from ..shapes import ErrorShapes
from .requests import RequestReply

COMPLETIONS = "/v1/completions"
_HEADERS = {"Content-Type": "application/json", "X-Priority": "batch"}


class RequestAnswerer:
    """An app over a suite, to be asked on the event loop of the suite's engine.

    A request has as much time as the translation of a file.
    """

    def __init__(self, suite: Suite, settings: ServerSettings) -> None:
        unhurried = settings.model_copy(update={"timeout_s": settings.file_timeout_s})
        self._languages = tuple(suite.tokenizer.target_ids)
        self._shapes = ErrorShapes({COMPLETIONS: error_shape})
        app = FastAPI(openapi_url=None)
        install_error_handlers(app, self._shapes)
        for router in _routers(suite, unhurried):
            app.router.routes.extend(router.routes)
        app.add_middleware(Faults, shapes=self._shapes)
        app.add_middleware(
            JsonLimits, max_depth=settings.max_json_depth, max_values=settings.max_json_values, shapes=self._shapes
        )
        app.add_middleware(Door, engine=suite.engine, paths=engine_paths(app.routes), shapes=self._shapes)
        app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, shapes=self._shapes)
        app.add_middleware(ReplyHeaders)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://rondo.invalid", timeout=None)

    async def answer(self, endpoint: str, body: bytes) -> RequestReply:
        """The reply to a request, as its protocol has it; streams are refused."""
        if from_json(body).get("stream"):
            failure = failure_of(InvalidInput("stream: a batch can't be streamed; leave it out", field="stream"))
            status, told = self._shapes.of(endpoint)(failure)
            return RequestReply(status, request_id(()).decode(), told)
        with only_known(self._languages):
            reply = await self._client.post(endpoint, content=body, headers=_HEADERS)
        wait_s = float(reply.headers.get("retry-after", 1))
        return RequestReply(reply.status_code, reply.headers["x-request-id"], reply.json(), wait_s)


def _routers(suite: Suite, settings: ServerSettings) -> Sequence[APIRouter]:
    answers = Answers(Fleet.of(suite), settings)
    own = service_routers(answers, settings)
    return own if suite.generation is None else [*own, completions.router(answers)]
