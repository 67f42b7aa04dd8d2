"""`POST /v1/generate`, at once or as server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from ...generation.schema import GeneratePiece, GenerateReply, GenerateRequest
from ..answers import Answers
from ..errors import DOCUMENTED
from ..events import EVENTS, event_lines
from ..models import model_id
from ..routes import NativeRoute
from ..shapes import native_shape

_STREAM_DOCUMENTATION: dict[int | str, dict[str, Any]] = {200: {"content": EVENTS, "description": "Reply or events"}}


async def _as_json(pieces: AsyncGenerator[GeneratePiece, None]) -> AsyncGenerator[str, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece.model_dump_json(exclude_none=True)


def router(answers: Answers) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["generation"], route_class=NativeRoute)

    @routes.post(
        "/v1/generate",
        responses={**DOCUMENTED, **_STREAM_DOCUMENTATION},
        response_model=GenerateReply,
        response_model_exclude_none=True,
    )
    async def generate(request: GenerateRequest, http: Request) -> GenerateReply | StreamingResponse:
        """Go on from prompts; with `stream`, each event has a piece of text, and the last line is `[DONE]`."""
        if request.stream:
            pieces = await answers.pieces(http, request)
            return StreamingResponse(event_lines(_as_json(pieces), native_shape), media_type="text/event-stream")
        results = await answers.continuations(http, request)
        return GenerateReply(model=model_id(answers.fleet.suite_for("generation"), "generation"), results=results)

    return routes
