"""Headers that a request may carry and that every reply does.

X-Request-Timeout-Ms    how long the client waits; 504 afterwards
X-Priority              interactive (the default) or batch, which lets others go first
X-Request-Id            taken from the request, else made here
X-Queue-Time, X-Inference-Time, X-Total-Time    milliseconds; a stream only has the total until its first byte
"""

import os
import re
import time
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..engine.requests import PRIORITIES, Priority
from ..errors import InvalidInput
from ..suite import Terms
from ..timing import RequestTimes, request_times
from ..whole_numbers import whole_number
from .door import request_places

REQUEST_ID = "request_id"
"""In the state of an ASGI scope: by what the reply will name it."""

Headers = Iterable[tuple[bytes, bytes]]

_USABLE_ID = re.compile(rb"[\w.:/+=@-]{1,128}")

_TERMS = frozenset((b"x-priority", b"x-request-timeout-ms"))


def terms_of(headers: Headers, longest_s: float, came_at: float | None = None) -> Terms:
    """Until when, and with what priority, a request that the door has let in is to be answered.

    Args:
        headers: of the request.
        longest_s: the server's own limit, which is also the default.
        came_at: second of the monotonic clock from when time counts; None: when the request came to the door.

    Raises:
        InvalidInput: a header has a value that cannot be.
    """
    given = {name: value.decode("latin-1") for name, value in headers if name in _TERMS}
    priority: Priority = "interactive"
    if (asked := given.get(b"x-priority")) is not None:
        if asked not in PRIORITIES:
            raise InvalidInput(f"X-Priority must be {' or '.join(PRIORITIES)}", field="X-Priority")
        priority = asked
    seconds = longest_s
    if (text := given.get(b"x-request-timeout-ms")) is not None:
        milliseconds = whole_number(text)
        if milliseconds is None or not 1 <= milliseconds <= longest_s * 1000:
            raise InvalidInput(
                f"X-Request-Timeout-Ms must be a whole number from 1 to {longest_s * 1000:.0f}",
                field="X-Request-Timeout-Ms",
            )
        seconds = milliseconds / 1000
    return Terms((request_places.get().came_at if came_at is None else came_at) + seconds, priority)


class ReplyHeaders:
    """ASGI middleware that names the request and says how long it took.

    Args:
        times: makes the object that the times are taken down in.
    """

    def __init__(self, app: ASGIApp, times: Callable[[], RequestTimes] = RequestTimes) -> None:
        self.app = app
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        times = self._times()
        request_times.set(times)
        own_id = scope.setdefault("state", {})[REQUEST_ID] = request_id(scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                headers = reply_headers(own_id, began, times)
                there = {name for name, _ in given}  # a protocol may have some of them in a form of its own
                message["headers"] = [*given, *(header for header in headers if header[0] not in there)]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def reply_headers(own_id: bytes, began: float, times: RequestTimes) -> list[tuple[bytes, bytes]]:
    """What a reply that goes out now says of itself.

    Args:
        own_id: as of `request_id`.
        began: second of the monotonic clock when the request came.
    """
    headers = [(b"x-request-id", own_id), (b"x-total-time", _milliseconds(time.monotonic() - began))]
    if times.inference_s:
        headers.append((b"x-queue-time", _milliseconds(times.queue_s)))
        headers.append((b"x-inference-time", _milliseconds(times.inference_s)))
    return headers


def request_id(headers: Headers) -> bytes:
    """The client's own if it can be used, else a new one of 32 hexadecimal digits."""
    for name, value in headers:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            return value
    return os.urandom(16).hex().encode()


def _milliseconds(seconds: float) -> bytes:
    return f"{seconds * 1000:.1f}".encode()
