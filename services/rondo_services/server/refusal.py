"""Refusals of overload, prepared beforehand: under overload most requests are refused, and each must cost little."""

from collections.abc import Iterable
from functools import cache, lru_cache

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ..errors import Overloaded
from .errors import failure_of
from .limits import drop_rest
from .shapes import ErrorShape, failure_reply

_DROPPED_BYTES = 65_536
_NOT_PLAIN = (b"transfer-encoding", b"expect", b"upgrade")

Headers = list[tuple[bytes, bytes]]


@cache
def refusal(retry_after_s: int, shape: ErrorShape) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the reply."""
    error = Overloaded("the queue is full; try again later", retry_after_s=retry_after_s)
    reply = failure_reply(failure_of(error), shape)
    return reply.status_code, reply.raw_headers, bytes(reply.body)


async def refuse(error: Overloaded, shape: ErrorShape, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse an ASGI request, of whose body any part may have come."""
    await answer_before_the_body(*refusal(error.retry_after_s, shape), scope, receive, send)


async def answer_before_the_body(
    status: int, headers: Headers, body: bytes, scope: Scope, receive: Receive, send: Send
) -> None:
    """Reply to an ASGI request of whose body any part may have come, and close its connection if need be."""
    close = not body_may_be_dropped(scope["http_version"], scope["headers"])
    if close:
        headers = [*headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": close})
    if close:
        await drop_rest(receive)
        await send({"type": "http.response.body"})


def refusal_bytes(retry_after_s: int, shape: ErrorShape, server_headers: Headers, request_id: bytes) -> bytes:
    """The whole reply to a request whose connection goes on."""
    before, after = _around_the_id(retry_after_s, shape, tuple(server_headers))
    return before + request_id + after


@lru_cache(maxsize=128)  # the server's headers change every second, with the date
def _around_the_id(
    retry_after_s: int, shape: ErrorShape, server_headers: tuple[tuple[bytes, bytes], ...]
) -> tuple[bytes, bytes]:
    status, headers, body = refusal(retry_after_s, shape)
    fields = [*server_headers, *headers, (b"x-total-time", b"0.0")]
    head = b"".join([STATUS_LINE[status], *(b"%b: %b\r\n" % field for field in fields)])
    return head + b"x-request-id: ", b"\r\n\r\n" + body


def body_may_be_dropped(http_version: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request may be answered before its body has come, and its connection go on; uvicorn drops the body.

    That is not worth it for a large one; a client that waits to be asked for its body may never send it; and what is
    to be closed at the end must be read to the end before.
    """
    if http_version != "1.1":
        return False
    length = b"0"
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name in _NOT_PLAIN or (name == b"connection" and b"close" in value.lower()):
            return False
    return length.isdigit() and int(length) <= _DROPPED_BYTES
