"""`POST /v1/sentiment`, and a WebSocket at the same path for text that comes piece by piece."""

import json
import time
from typing import Any

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect, status
from pydantic import ValidationError

from ...errors import InvalidInput, NotServed, Overloaded, RondoError
from ...schema import as_list
from ...sentiment.schema import SentimentPiece, SentimentReply, SentimentRequest, SentimentSoFar
from ...sentiment.service import SentimentService
from ...suite import Suite, Terms
from ..abandonment import while_connected
from ..errors import DOCUMENTED, error_body
from ..headers import terms_of
from ..limits import check_size
from ..offload import planned, run
from ..settings import ServerSettings

_CLOSE_CODES: dict[type[RondoError], int] = {
    InvalidInput: status.WS_1008_POLICY_VIOLATION,
    NotServed: status.WS_1008_POLICY_VIOLATION,
    Overloaded: status.WS_1013_TRY_AGAIN_LATER,
}


def router(suite: Suite, service: SentimentService, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["sentiment"])

    @routes.post("/v1/sentiment", responses=DOCUMENTED, response_model_exclude_none=True)
    async def sentiment(request: SentimentRequest, http: Request) -> SentimentReply:
        """Say whether texts are positive or negative."""
        terms = terms_of(http, settings.timeout_s)
        texts = as_list(request.text)
        works = await planned(service.work, texts)
        check_size(works, settings.max_text_tokens, suite.engine.limits, "text")
        answers = await while_connected(http, run(suite, works, terms))
        results = [service.result(text, request.language, answer) for text, answer in zip(texts, answers, strict=True)]
        return SentimentReply(model=f"{suite.name}/sentiment", results=results)

    @routes.websocket("/v1/sentiment")
    async def growing_sentiment(socket: WebSocket) -> None:
        """Score a text after each of its pieces."""
        await socket.accept()
        try:
            text = service.growing_text()
            while True:
                piece = _piece(await socket.receive_text())
                if text.num_characters + len(piece.text) > settings.max_body_bytes:
                    raise InvalidInput(f"text: more than {settings.max_body_bytes} characters", field="text")
                deadline = time.monotonic() + settings.timeout_s
                (answer,) = await suite.run([text.add(piece.text)], Terms(deadline))
                text.read(answer)
                so_far = service.result(text.beginning, piece.language, answer.probabilities)
                reply = SentimentSoFar(**so_far.model_dump(), num_characters=text.num_characters)
                await socket.send_text(reply.model_dump_json(exclude_none=True))
        except WebSocketDisconnect:
            return
        except RondoError as error:
            await _refuse(socket, error)

    return routes


def _piece(message: str) -> SentimentPiece:
    try:
        return SentimentPiece.model_validate_json(message)
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise InvalidInput(f"{field or 'message'}: {first['msg']}", field=field) from error


async def _refuse(socket: WebSocket, error: RondoError) -> None:
    """Say what is wrong, as the last message."""
    await socket.send_text(json.dumps(error_body(error.code, error.message, error.field), ensure_ascii=False))
    await socket.close(_CLOSE_CODES.get(type(error), status.WS_1011_INTERNAL_ERROR))
