"""`POST /v1/sentiment`, and a WebSocket at the same path for text that comes piece by piece."""

import json
import time
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect, status
from pydantic import ValidationError

from ...access.control import charge, goes_on, is_told
from ...errors import InvalidInput, LimitReached, NotAuthenticated, NotServed, Overloaded, RondoError, UnknownModel
from ...sentiment.schema import SentimentPiece, SentimentReply, SentimentRequest, SentimentSoFar
from ..access.presented import chosen_subprotocol
from ..answers import Answers
from ..errors import DOCUMENTED, failure_of
from ..headers import terms_of
from ..limits import check_size
from ..models import model_id
from ..offload import prepared
from ..routes import NativeRoute
from ..settings import ServerSettings
from ..shapes import native_shape

_CLOSE_CODES: dict[type[RondoError], int] = {
    InvalidInput: status.WS_1008_POLICY_VIOLATION,
    NotAuthenticated: status.WS_1008_POLICY_VIOLATION,
    NotServed: status.WS_1008_POLICY_VIOLATION,
    UnknownModel: status.WS_1008_POLICY_VIOLATION,
    Overloaded: status.WS_1013_TRY_AGAIN_LATER,
    LimitReached: status.WS_1013_TRY_AGAIN_LATER,
}

_MODEL = "model"


def router(answers: Answers, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["sentiment"], route_class=NativeRoute)
    fleet = answers.fleet

    @routes.post("/v1/sentiment", responses=DOCUMENTED, response_model_exclude_none=True)
    async def sentiment(request: SentimentRequest, http: Request) -> SentimentReply:
        """Say whether texts are positive or negative."""
        results = await answers.sentiment(http, request)
        return SentimentReply(model=model_id(fleet.suite_for("sentiment"), "sentiment"), results=results)

    @routes.websocket("/v1/sentiment")
    async def growing_sentiment(socket: WebSocket) -> None:
        """Score a text after each of its pieces; the query parameter `model` may say by what."""
        await socket.accept(subprotocol=chosen_subprotocol(socket.scope))
        try:
            if unknown := sorted(socket.query_params.keys() - {_MODEL}):
                raise InvalidInput(f"{unknown[0]}: the query may have {_MODEL} alone", field=unknown[0])
            suite = fleet.suite_for("sentiment", socket.query_params.get(_MODEL))
            service = suite.sentiment
            assert service is not None, "what is found by a service has it"
            text = service.growing_text()
            while True:
                piece = _piece(await _received(socket))
                if text.num_characters + len(piece.text) > settings.max_body_bytes:
                    raise InvalidInput(f"text: more than {settings.max_body_bytes} characters", field="text")
                terms = terms_of(socket.scope["headers"], settings.timeout_s, time.monotonic())
                goes_on()
                (work,) = await prepared(text.add, [piece.text])
                check_size([work], settings.max_text_tokens, suite.engine.limits, "text")
                charge(len(piece.text))
                (answer,) = await suite.run([work], terms)
                text.read(answer)
                so_far = service.result(text.beginning, piece.language, answer.probabilities)
                reply = SentimentSoFar(**so_far.model_dump(), num_characters=text.num_characters)
                await socket.send_text(reply.model_dump_json(exclude_none=True))
        except WebSocketDisconnect:
            return
        except RondoError as error:
            await _refuse(socket, error)

    return routes


async def _received(socket: WebSocket) -> str:
    """The next message.

    Raises:
        InvalidInput: it is binary.
        WebSocketDisconnect: the client has gone.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", status.WS_1005_NO_STATUS_RCVD))
    text: str | None = message.get("text")
    if text is None:
        raise InvalidInput("send messages as text, not as binary")
    return text


def _piece(message: str) -> SentimentPiece:
    try:
        return SentimentPiece.model_validate_json(message)
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise InvalidInput(f"{field or 'message'}: {first['msg']}", field=field) from error


async def _refuse(socket: WebSocket, error: RondoError) -> None:
    """Say what is wrong, as the last message, if the client is still there."""
    failure = failure_of(error)
    is_told(failure.status)
    _, body = native_shape(failure)
    with suppress(WebSocketDisconnect):
        await socket.send_text(json.dumps(body, ensure_ascii=False))
        await socket.close(_CLOSE_CODES.get(type(error), status.WS_1011_INTERNAL_ERROR))
