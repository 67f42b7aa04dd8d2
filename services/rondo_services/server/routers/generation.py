"""`POST /v1/generate`, at once or as server-sent events."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from ...engine.requests import Generate, Generated
from ...errors import RondoError
from ...generation.schema import GeneratePiece, GenerateReply, GenerateRequest, GenerationResult
from ...generation.service import GenerationService
from ...mailbox import mailbox
from ...schema import as_list
from ...suite import Suite, Terms
from ..abandonment import while_connected
from ..door import request_places
from ..errors import DOCUMENTED, error_body
from ..headers import terms_of
from ..limits import check_size
from ..offload import planned, run
from ..parts import note_stream
from ..settings import ServerSettings

_STREAM_DOCUMENTATION: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Reply or events"}
}


async def _events(
    service: GenerationService,
    suite: Suite,
    request: GenerateRequest,
    works: Sequence[Generate],
    terms: Terms,
) -> AsyncGenerator[GeneratePiece, None]:
    """Pieces of all prompts as they come; the last piece of each has the reason and the usage."""
    post = mailbox().post
    arrivals: asyncio.Queue[tuple[int, int | None]] = asyncio.Queue()

    def arrived(index: int, identifier: int | None) -> None:
        post(partial(arrivals.put_nowait, (index, identifier)))

    def ended(index: int, _: object) -> None:
        arrived(index, None)

    callbacks: list[Callable[[int], None]] = [partial(arrived, index) for index in range(len(works))]
    request_places.get().give_back()
    tickets = suite.engine.submit_all(works, deadline=terms.deadline, priority=terms.priority, on_token=callbacks)
    for index, ticket in enumerate(tickets):
        ticket.future.add_done_callback(partial(ended, index))
    pieces = [service.pieces(request) for _ in works]
    open_prompts = set(range(len(works)))
    first_token_at = 0.0
    try:
        while open_prompts:
            index, identifier = await arrivals.get()
            first_token_at = first_token_at or time.monotonic()
            if index not in open_prompts:
                continue
            own = pieces[index]
            text = own.add(identifier) if identifier is not None else own.rest()
            if identifier is not None and not own.stopped:
                if text:
                    yield GeneratePiece(index=index, text=text)
                continue
            open_prompts.remove(index)
            reason, state = "stop", None
            if not own.stopped:
                answer = cast("Generated", tickets[index].future.result())
                reason, state = answer.finish_reason, service.sealed_state(answer)
            tickets[index].stop()
            usage = service.usage(works[index], own.num_ids)
            yield GeneratePiece(
                index=index,
                text=text,
                finish_reason=reason,  # type: ignore[arg-type]
                usage=usage,
                state=state,
            )
    finally:
        for ticket in tickets:
            ticket.cancel()
        note_stream(tickets, first_token_at)


async def _together(events: AsyncIterator[GeneratePiece], num_prompts: int) -> list[GenerationResult]:
    """The whole text of each prompt, ended by the stop texts as the pieces are."""
    results: list[GenerationResult | None] = [None] * num_prompts
    texts = [""] * num_prompts
    async for piece in events:
        texts[piece.index] += piece.text
        if piece.finish_reason is not None and piece.usage is not None:
            results[piece.index] = GenerationResult(
                text=texts[piece.index],
                finish_reason=piece.finish_reason,
                usage=piece.usage,
                state=piece.state,
            )
    return [result for result in results if result is not None]


async def _first(events: AsyncGenerator[GeneratePiece, None]) -> GeneratePiece:
    return await anext(events)


async def _as_lines(events: AsyncGenerator[GeneratePiece, None], first: GeneratePiece) -> AsyncIterator[str]:
    yield f"data: {first.model_dump_json(exclude_none=True)}\n\n"
    try:
        async with aclosing(events):
            async for piece in events:
                yield f"data: {piece.model_dump_json(exclude_none=True)}\n\n"
    except RondoError as error:
        yield f"data: {json.dumps(error_body(error.code, error.message, error.field))}\n\n"
        return
    yield "data: [DONE]\n\n"


def router(suite: Suite, service: GenerationService, settings: ServerSettings) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["generation"])

    @routes.post(
        "/v1/generate",
        responses={**DOCUMENTED, **_STREAM_DOCUMENTATION},
        response_model=GenerateReply,
        response_model_exclude_none=True,
    )
    async def generate(request: GenerateRequest, http: Request) -> GenerateReply | StreamingResponse:
        """Go on from prompts; with `stream`, each event has a piece of text, and the last line is `[DONE]`."""
        terms = terms_of(http, settings.timeout_s)
        numbers = itertools.count()
        works = await planned(lambda prompt: service.work(prompt, request, next(numbers)), as_list(request.prompt))
        check_size(works, settings.max_text_tokens, suite.engine.limits, "prompt")
        if request.stream:
            events = _events(service, suite, request, works, terms)
            # an error before the first piece still gets its own status
            first = await while_connected(http, _first(events))
            return StreamingResponse(_as_lines(events, first), media_type="text/event-stream")
        if request.stop:
            events = _events(service, suite, request, works, terms)
            results = await while_connected(http, _together(events, len(works)))
        else:
            answers = await while_connected(http, run(suite, works, terms))
            results = [service.result(work, answer) for work, answer in zip(works, answers, strict=True)]
        return GenerateReply(model=f"{suite.name}/generation", results=results)

    return routes
