"""Refuses what is too large.

Bodies: by their declared length at once, else as soon as too much has come. Requests: those that the engine could
never take, however long the client waited, or that would keep all others waiting.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..engine.requests import EXPLANATION_INTERVALS, Classify, Explain, Work, num_tokens_of
from ..engine.scheduler import Limits
from ..errors import InvalidInput
from .shapes import ErrorShapes, Failure, failure_reply

_LINGER_S = 2.0
_LINGER_BYTES = 64_000_000


def check_size(works: Sequence[Work], longest: int, limits: Limits, field: str) -> None:
    """Look at what one HTTP request asks of the engine.

    Args:
        longest: tokens of one text, or of one sentence to translate.

    Raises:
        InvalidInput: a text is too long, or there are more than fit the queue even if it is empty.
    """
    sizes = [len(work.ids) for work in works]
    if max(sizes, default=0) > longest:
        raise InvalidInput(f"{field}: {max(sizes)} tokens in one piece; at most {longest}", field=field)
    if len(sizes) > limits.max_waiting:
        raise InvalidInput(f"{field}: {len(sizes)} sentences or texts; at most {limits.max_waiting}", field=field)
    total = sum(map(num_tokens_of, works))
    if len(sizes) > 1 and total > limits.max_waiting_tokens:
        times = 1 + EXPLANATION_INTERVALS
        why = f" ({sum(sizes)}, read {times} times to be explained)" if isinstance(works[0], Explain) else ""
        raise InvalidInput(f"{field}: {total} tokens together{why}; at most {limits.max_waiting_tokens}", field=field)


def shortened(work: Classify, longest: int, *, keep_end: bool) -> Classify:
    """A text cut to so many tokens, if its sender asked for that; the end symbol stays."""
    if len(work.ids) <= longest:
        return work
    *text, end = work.ids
    kept = text[len(text) - (longest - 1) :] if keep_end else text[: longest - 1]
    return replace(work, ids=(*kept, end))


class BodyTooLarge(Exception):
    """More bytes came than are allowed."""


class BodyLimit:
    """ASGI middleware around the whole app.

    Args:
        uploads: other limits, by the path, for multipart forms: those are not held in memory.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, shapes: ErrorShapes, uploads: Mapping[str, int] | None = None
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self._shapes = shapes
        self._uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        limit = self._limit(scope["path"], headers)
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            await self._refuse(scope["path"], limit, receive, send)
            return
        received = 0
        exceeded = started = False

        async def limited_receive() -> Message:
            nonlocal received, exceeded
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                exceeded = True
                raise BodyTooLarge
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return  # the framework's own answer to the body that broke off
            started = True
            await send(message)

        with suppress(BodyTooLarge):
            await self.app(scope, limited_receive, watched_send)
        if exceeded and not started:
            await self._refuse(scope["path"], limit, receive, send)

    def _limit(self, path: str, headers: Mapping[bytes, bytes]) -> int:
        if path in self._uploads and media_type(headers.get(b"content-type", b"")) == b"multipart/form-data":
            return self._uploads[path]
        return self.max_bytes

    async def _refuse(self, path: str, limit: int, receive: Receive, send: Send) -> None:
        failure = Failure(413, "body_too_large", f"the body is larger than {limit} bytes")
        reply = failure_reply(failure, self._shapes.of(path), {"Connection": "close"})
        await send({"type": "http.response.start", "status": reply.status_code, "headers": reply.raw_headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await drop_rest(receive)
        await send({"type": "http.response.body"})


def media_type(content_type: bytes) -> bytes:
    """What a body is declared as, without parameters."""
    return content_type.partition(b";")[0].strip().lower()


async def drop_rest(receive: Receive) -> None:
    """Read on for a while: a connection closed with bytes unread is reset, and the client loses the reply
    (RFC 9112, section 9.6)."""
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while dropped < _LINGER_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
