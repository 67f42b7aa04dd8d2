"""Refuses JSON that would cost a parser too much: nested too deep, or of too many values. It looks at bytes only."""

import json
from collections import deque

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import MalformedBody
from ..whole_numbers import whole_number
from .errors import failure_of
from .limits import media_type
from .shapes import ErrorShapes, failure_reply

_JSON_LENGTH = b"inference-header-content-length"
_READING = frozenset(("POST", "PUT", "PATCH"))
_PACKED = (b"\x1f\x8b", b"\x78")
"""How gzip and zlib begin."""
_BRACKETS = b"[]{}"
_STEP = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


def check_json(body: bytes, max_depth: int, max_values: int) -> None:
    """Look at a body before it is parsed; one that is no JSON is left to the parser.

    Raises:
        MalformedBody: lists and objects are nested deeper than `max_depth`, or there are more than `max_values` values.
    """
    if body.startswith(_PACKED):
        return  # no JSON begins so; whoever unpacks it looks at what is in it
    if body.count(b"[") + body.count(b"{") <= max_depth and body.count(b",") < max_values:
        return  # almost all are: brackets and commas in texts only make for the longer way
    outside = _outside_strings(body)
    if outside.count(b",") >= max_values:
        raise MalformedBody(f"the body has more than {max_values} values; send it in parts")
    steps = np.frombuffer(outside.translate(_STEP, _ALL_BUT_BRACKETS), np.int8)
    if steps.size and int(steps.cumsum(dtype=np.int64).max()) > max_depth:
        raise MalformedBody(f"the body is nested deeper than {max_depth}; nothing here needs that")


def _outside_strings(body: bytes) -> bytes:
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        body = body.decode(encoding, "replace").encode("utf-8", "replace")
    without_escapes = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(without_escapes.split(b'"')[::2])


class JsonLimits:
    """ASGI middleware behind the door, where bodies have come already. Bodies declared as anything else pass.

    Args:
        binary_below: a path below which a header may tell after how many bytes the JSON ends (Open Inference Protocol).
    """

    def __init__(
        self, app: ASGIApp, max_depth: int, max_values: int, shapes: ErrorShapes, binary_below: str | None = None
    ) -> None:
        self.app = app
        self._max_depth = max_depth
        self._max_values = max_values
        self._shapes = shapes
        self._binary_below = None if binary_below is None else f"{binary_below}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _READING:
            await self.app(scope, receive, send)
            return
        length: int | None = None
        may_end_early = self._binary_below is not None and scope["path"].startswith(self._binary_below)
        for name, value in scope["headers"]:
            if name == b"content-type" and b"json" not in media_type(value):
                await self.app(scope, receive, send)
                return
            if name == _JSON_LENGTH and may_end_early:
                length = whole_number(value.decode("latin-1"))
        messages = deque([await receive()])
        while messages[-1].get("more_body", False):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        try:
            check_json(body if length is None else body[:length], self._max_depth, self._max_values)
        except MalformedBody as error:
            await failure_reply(failure_of(error), self._shapes.of(scope["path"]))(scope, receive, send)
            return

        async def receive_again() -> Message:
            return messages.popleft() if messages else await receive()

        await self.app(scope, receive_again, send)
