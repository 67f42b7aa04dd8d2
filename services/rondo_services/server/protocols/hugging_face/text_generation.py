"""Text-generation, at once or as server-sent events, at the path of its model."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from rondo_tokenizers.vocabulary import Tokenizer

from ....generation.schema import GeneratePiece, TokenLogprob
from ...answers import Answers
from ...events import EVENTS, event_lines
from ...routes import EngineRoute
from .details import likeliest, num_generated, reason_of, token_of, told
from .errors import DOCUMENTED, error_shape
from .generation_schema import Generation, GenerationRequest, StreamDetails, StreamEvent, Token
from .order import Order, order_of
from .tasks import TAG, model_of, paths_of

_STREAM_DOCUMENTATION: dict[int | str, dict[str, Any]] = {
    200: {
        "content": EVENTS,
        "description": "What was written, or events",
    }
}


def router(answers: Answers) -> APIRouter:
    """Routes of the task."""
    routes = APIRouter(tags=[TAG], route_class=EngineRoute)

    async def generate(request: GenerationRequest, http: Request) -> Generation | list[Generation] | StreamingResponse:
        """What was written after a prompt, or after each of a list; with `stream`, in events, a token each."""
        tokenizer = answers.fleet.suite_for("generation", model_of(http)).tokenizer
        order = order_of(request)
        if request.stream:
            pieces = await answers.pieces(http, order.native, order.prompts, order.most_read)
            events = _events(order, pieces, tokenizer)
            return StreamingResponse(event_lines(events, error_shape), media_type="text/event-stream")
        results = await answers.continuations(http, order.native, order.prompts, order.most_read)
        replies = told(order, results, tokenizer)
        return replies if isinstance(request.inputs, list) else replies[0]

    for path in paths_of(answers.fleet, "generation"):
        routes.post(
            path,
            responses={**DOCUMENTED, **_STREAM_DOCUMENTATION},
            response_model=Generation | list[Generation],
            response_model_exclude_unset=True,
        )(generate)
    return routes


async def _events(
    order: Order, pieces: AsyncGenerator[GeneratePiece, None], tokenizer: Tokenizer
) -> AsyncGenerator[str, None]:
    """One text's tokens as JSON; of those that only together are a piece of text, the last has it.

    The whole text comes with the last token. So one that may turn out to be that is held back.
    """
    (text,) = order.beginnings
    without = None if order.num_top else {"top_tokens"}
    held: list[StreamEvent] = []
    last_tokens: list[TokenLogprob] = []
    num_tokens = 0
    async with aclosing(pieces):
        async for piece in pieces:
            text += piece.text
            last_tokens = piece.logprobs or last_tokens
            for token in piece.logprobs or []:
                num_tokens += 1
                top = likeliest(token, tokenizer) if order.num_top else None
                held.append(StreamEvent(index=num_tokens, token=token_of(token, "", tokenizer), top_tokens=top))
            if not held:  # a stop text stood at the very beginning
                end = Token(id=tokenizer.end_id, text="", logprob=0.0, special=True)
                held.append(StreamEvent(index=1, token=end))
            carrier = next((event for event in reversed(held) if not event.token.special), held[-1])
            carrier.token.text += piece.text
            if piece.finish_reason is not None and piece.usage is not None:
                held[-1].generated_text = text
                if order.tells:
                    reason = reason_of(piece.finish_reason, last_tokens, tokenizer)
                    held[-1].details = StreamDetails(
                        finish_reason=reason,
                        generated_tokens=num_generated(piece.usage, reason),
                        input_length=piece.usage.prompt_tokens,
                        seed=order.seed_of(0),
                    )
            elif order.native.stop or num_tokens == order.native.max_tokens:
                held, sent = held[-1:], held[:-1]
                for event in sent:
                    yield event.model_dump_json(exclude=without)
                continue
            for event in held:
                yield event.model_dump_json(exclude=without)
            held = []
