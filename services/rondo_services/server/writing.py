"""Texts that are written, in pieces as they come or whole, ended by their stop texts."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial
from typing import cast

from rondo_models.decoding.parameters import TokenScore

from ..engine.requests import Generate, Generated, Likelihoods, OnToken
from ..generation.schema import GeneratePiece, GenerateRequest, GenerationResult, TokenLogprob
from ..generation.service import GenerationService
from ..mailbox import mailbox
from ..suite import Suite, Terms
from .door import request_places
from .parts import note_stream


class _WrittenText:
    """One text with its tokens; what has been told of it is not told again."""

    def __init__(self, service: GenerationService, request: GenerateRequest) -> None:
        self.pieces = service.pieces(request)
        self._waiting: list[tuple[int, TokenScore | None]] = []  # the character at which each begins

    def add(self, identifier: int, score: TokenScore | None) -> str:
        """Take a token; the text that is now sure."""
        self._waiting.append((self.pieces.num_known, score))
        return self.pieces.add(identifier)

    def end(self, end_score: TokenScore | None) -> str:
        """Nothing more comes but the end symbol, if it has a score; the text that was held back."""
        self._waiting.append((self.pieces.num_known, end_score))
        return self.pieces.rest()

    def tokens(self, *, at_end: bool) -> list[TokenScore]:
        """Scores of the tokens that begin in the text that was handed out; without a stop text, at the end of all."""
        whole = at_end and not self.pieces.stopped
        told = [token for token in self._waiting if whole or token[0] < self.pieces.num_given]
        self._waiting = self._waiting[len(told) :]
        return [score for _, score in told if score is not None]


async def written_pieces(
    service: GenerationService,
    suite: Suite,
    request: GenerateRequest,
    works: Sequence[Generate],
    terms: Terms,
    read: Sequence[Likelihoods] = (),
) -> AsyncGenerator[GeneratePiece, None]:
    """Pieces of all prompts as they come; the last piece of each has the reason and the usage.

    Args:
        read: scores of the prompts' tokens, which the first piece of each tells of.
    """
    post = mailbox().post
    arrivals: asyncio.Queue[tuple[int, int | None, TokenScore | None]] = asyncio.Queue()

    def arrived(index: int, identifier: int | None, score: TokenScore | None) -> None:
        post(partial(arrivals.put_nowait, (index, identifier, score)))

    def ended(index: int, _: object) -> None:
        arrived(index, None, None)

    callbacks: list[OnToken] = [partial(arrived, index) for index in range(len(works))]
    request_places.get().give_back()
    tickets = suite.engine.submit_all(works, deadline=terms.deadline, priority=terms.priority, on_token=callbacks)
    for index, ticket in enumerate(tickets):
        ticket.future.add_done_callback(partial(ended, index))
    texts = [_WrittenText(service, request) for _ in works]
    prompt_scores = dict(enumerate(read))
    open_prompts = set(range(len(works)))
    first_token_at = 0.0

    def piece(index: int, text: str, *, at_end: bool) -> GeneratePiece:
        scores = texts[index].tokens(at_end=at_end)
        prompt = prompt_scores.pop(index, None)
        return GeneratePiece(
            index=index,
            text=text,
            logprobs=None if request.logprobs is None else service.told(scores),
            prompt_logprobs=None if prompt is None else service.told(prompt.scores),
        )

    try:
        while open_prompts:
            index, identifier, score = await arrivals.get()
            first_token_at = first_token_at or time.monotonic()
            if index not in open_prompts:
                continue
            own = texts[index]
            answer = None
            if identifier is not None:
                text = own.add(identifier, score)
                if not own.pieces.stopped:
                    if text:
                        yield piece(index, text, at_end=False)
                    continue
            else:
                answer = cast("Generated", tickets[index].future.result())
                text = own.end(answer.scores[-1] if answer.scores and answer.finish_reason == "stop" else None)
            open_prompts.remove(index)
            tickets[index].stop()
            last = piece(index, text, at_end=True)
            last.finish_reason = "stop" if answer is None or own.pieces.stopped else answer.finish_reason
            last.state = None if answer is None or own.pieces.stopped else service.sealed_state(answer)
            last.usage = service.usage(works[index], own.pieces.num_ids)
            yield last
    finally:
        for ticket in tickets:
            ticket.cancel()
        note_stream(tickets, first_token_at)


async def together(events: AsyncIterator[GeneratePiece], num_prompts: int) -> list[GenerationResult]:
    """The whole text of each prompt, ended by the stop texts as the pieces are."""
    results: list[GenerationResult | None] = [None] * num_prompts
    texts = [""] * num_prompts
    logprobs: list[list[TokenLogprob]] = [[] for _ in range(num_prompts)]
    prompt_logprobs: list[list[TokenLogprob] | None] = [None] * num_prompts
    async for piece in events:
        texts[piece.index] += piece.text
        logprobs[piece.index] += piece.logprobs or []
        prompt_logprobs[piece.index] = piece.prompt_logprobs or prompt_logprobs[piece.index]
        if piece.finish_reason is not None and piece.usage is not None:
            results[piece.index] = GenerationResult(
                text=texts[piece.index],
                finish_reason=piece.finish_reason,
                usage=piece.usage,
                state=piece.state,
                logprobs=None if piece.logprobs is None else logprobs[piece.index],
                prompt_logprobs=prompt_logprobs[piece.index],
            )
    return [result for result in results if result is not None]
