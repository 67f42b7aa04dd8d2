"""`POST /v1/completions`, at once or as server-sent events, over the generation service."""

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

from ....generation.schema import GeneratePiece, GenerationResult
from ...answers import Answers
from ...events import EVENTS, event_lines
from ...models import model_id
from ...routes import EngineRoute
from .errors import documented, error_shape
from .logprobs import LogprobsTeller
from .order import Order, order_of
from .schema import Choice, ChoicePiece, Completion, CompletionChunk, CompletionRequest, Logprobs, Usage

_STREAM_DOCUMENTATION: dict[int | str, dict[str, Any]] = {
    200: {"content": EVENTS, "description": "Completion or chunks"}
}


def router(answers: Answers) -> APIRouter:
    """Routes of the service."""
    routes = APIRouter(tags=["openai"], route_class=EngineRoute)

    @routes.post(
        "/v1/completions",
        responses={**documented(400, 404, 413, 415, 429, 503, 504, "4XX"), **_STREAM_DOCUMENTATION},
        response_model=Completion,
    )
    async def completions(request: CompletionRequest, http: Request) -> Completion | StreamingResponse:
        """Go on from prompts; with `stream`, in chunks as server-sent events of which the last is `[DONE]`."""
        suite = answers.fleet.suite_for("generation", request.model)
        order = order_of(request, suite.engine.limits, suite.tokenizer.start_id)
        head = {
            "id": f"cmpl-{secrets.token_hex(16)}",
            "created": int(time.time()),
            "model": model_id(suite, "generation"),
            "system_fingerprint": suite.contents.fingerprint,
        }
        echoes = [_echo(suite.tokenizer, prompt) if order.echo else "" for prompt in order.prompts]
        if order.native.stream:
            pieces = await answers.pieces(http, order.native, order.repeated_prompts)
            tell_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
            chunks = _chunks(order, pieces, echoes, suite.tokenizer, head, tell_usage)
            return StreamingResponse(event_lines(chunks, error_shape), media_type="text/event-stream")
        results = await answers.continuations(http, order.native, order.repeated_prompts)
        return Completion(
            **head, choices=_choices(order, results, echoes, suite.tokenizer), usage=_usage(order, results)
        )

    return routes


def _echo(tokenizer: Tokenizer, prompt: str | list[int]) -> str:
    """A prompt as the model reads it."""
    return compose(prompt) if isinstance(prompt, str) else tokenizer.decode(prompt)


def _mean(result: GenerationResult) -> float:
    """Log-probability of a token."""
    values = [token.logprob for token in result.logprobs or ()]
    return sum(values) / len(values) if values else 0.0


def _teller(order: Order, tokenizer: Tokenizer, number: int) -> LogprobsTeller:
    """For a text that goes on from the prompt with this number."""
    return LogprobsTeller(tokenizer, begins=order.echo, tells_start=order.echo and order.named_starts[number])


def _told(order: Order, teller: LogprobsTeller, part: GenerationResult | GeneratePiece) -> Logprobs | None:
    """Of the tokens of a text, or of a piece of one."""
    if not order.tells:
        return None
    return teller.tell(part.prompt_logprobs or (), (part.logprobs or ()) if order.writes else ())


def _choices(
    order: Order, results: Sequence[GenerationResult], echoes: Sequence[str], tokenizer: Tokenizer
) -> list[Choice]:
    choices: list[Choice] = []
    for number, echo in enumerate(echoes):
        candidates = results[number * order.num_candidates :][: order.num_candidates]
        if order.num_candidates > order.num_choices:
            candidates = sorted(candidates, key=_mean, reverse=True)[: order.num_choices]
        for result in candidates:
            teller = _teller(order, tokenizer, number)
            choices.append(
                Choice(
                    text=echo + (result.text if order.writes else ""),
                    index=len(choices),
                    logprobs=_told(order, teller, result),
                    finish_reason=result.finish_reason if order.writes else "length",
                )
            )
    return choices


async def _chunks(
    order: Order,
    pieces: AsyncGenerator[GeneratePiece, None],
    echoes: Sequence[str],
    tokenizer: Tokenizer,
    head: dict[str, Any],
    tell_usage: bool,
) -> AsyncGenerator[str, None]:
    """The pieces as JSON, the first of each choice with the echo before it."""
    tellers: dict[int, LogprobsTeller] = {}
    ended = []
    without = None if tell_usage else {"usage"}
    async with aclosing(pieces):
        async for piece in pieces:
            text = piece.text if order.writes else ""
            if piece.index not in tellers:
                tellers[piece.index] = _teller(order, tokenizer, piece.index // order.num_candidates)
                text = echoes[piece.index // order.num_candidates] + text
            reason = piece.finish_reason
            if reason is not None:
                ended.append(piece)
                reason = reason if order.writes else "length"
            logprobs = _told(order, tellers[piece.index], piece)
            choice = ChoicePiece(text=text, index=piece.index, logprobs=logprobs, finish_reason=reason)
            yield CompletionChunk(**head, choices=[choice]).model_dump_json(exclude=without)
    if tell_usage:
        ended.sort(key=lambda piece: piece.index)
        yield CompletionChunk(**head, choices=[], usage=_usage(order, ended)).model_dump_json()


def _usage(order: Order, ended: Sequence[GenerationResult | GeneratePiece]) -> Usage:
    """Tokens of each prompt once, and of all candidates."""
    counts = [one.usage for one in ended if one.usage is not None]
    prompt = sum(count.prompt_tokens for count in counts[:: order.num_candidates])
    completion = sum(count.completion_tokens for count in counts) if order.writes else 0
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
