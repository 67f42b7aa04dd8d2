"""Jobs of OpenAI's batches: requests of a file, answered as this server answers requests. Who does that is given."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import EngineFailed
from ...jobs.items import BadItem, Item
from ...jobs.tasks.task import Ask, Fields

_OVERLOADED, _UNAVAILABLE = 429, 503


@dataclass(frozen=True, slots=True)
class RequestReply:
    """To one request.

    Attributes:
        request_id: by which the server's log knows it.
        body: its JSON.
        retry_after_s: when it is worth asking again.
    """

    status: int
    request_id: str
    body: Any
    retry_after_s: float = 1.0


AnswerRequest = Callable[[str, bytes], Awaitable[RequestReply]]
"""Answers a request: its path, its JSON."""


class RequestsTask:
    """Answers the items of a batch.

    Args:
        endpoint: to which all its requests go.
        turns: of all requests that are asked at once, also by other tasks.
    """

    def __init__(self, answer: AnswerRequest, endpoint: str, turns: asyncio.Semaphore) -> None:
        self._answer = answer
        self._endpoint = endpoint
        self._turns = turns

    async def answer(self, items: Sequence[Item], ask: Ask) -> list[Fields | BadItem]:
        """The reply to each; what was refused is a bad item whose reason is the same, as JSON.

        Raises:
            EngineFailed: it broke; all can be asked again.
        """
        return await asyncio.gather(*map(self._outcome, items))

    async def _outcome(self, item: Item) -> Fields | BadItem:
        body = item.text.encode()
        async with self._turns:
            reply = await self._reply(body)
        told = {
            "custom_id": item.id,
            "response": {"status_code": reply.status, "request_id": reply.request_id, "body": reply.body},
        }
        if reply.status < 400:
            return told
        return BadItem(item.index, item.line, json.dumps(told, ensure_ascii=False))

    async def _reply(self, body: bytes) -> RequestReply:
        """What is no refusal for want of room."""
        while True:
            reply = await self._answer(self._endpoint, body)
            if reply.status == _UNAVAILABLE:
                raise EngineFailed("the engine failed or is being restarted")
            if reply.status != _OVERLOADED:
                return reply
            await asyncio.sleep(reply.retry_after_s)
