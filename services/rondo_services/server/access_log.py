"""One line for each request: what was asked and how it ended, but no text, address, query or key."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access.control import Caller, request_caller
from .routes import Templates

logger = logging.getLogger("rondo.access")


def log_request(
    method: str, route: str, status: int, began: float, num_bytes: int, request_id: bytes, caller: str | None = None
) -> None:
    """Write the line of a request that has just ended.

    Args:
        route: the template of its path.
        began: second of the monotonic clock.
        num_bytes: of the reply's body.
        caller: name and id of its key.
    """
    fields: dict[str, object] = {
        "request_id": request_id.decode(),
        "method": method,
        "route": route,
        "status": status,
        "milliseconds": round((time.monotonic() - began) * 1000, 1),
        "bytes": num_bytes,
    }
    if caller is not None:
        fields["key"] = caller
    logger.info("request", extra={"fields": fields})


def name_of(caller: Caller | None) -> str | None:
    """Name and id of the key with which somebody asks; None if there is none."""
    record = caller.record if caller is not None else None
    return None if record is None else f"{record.name}/{record.id}"


class AccessLog:
    """ASGI middleware around those that name requests and look at keys.

    Args:
        routes: what is served; the path of anything else is not written down.
    """

    def __init__(self, app: ASGIApp, routes: Templates) -> None:
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        is_socket = scope["type"] == "websocket"
        status, num_bytes, request_id = 403 if is_socket else 500, 0, b""

        async def watched_send(message: Message) -> None:
            nonlocal status, num_bytes, request_id
            kind = message["type"]
            if kind in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                request_id = dict(message.get("headers", ())).get(b"x-request-id", b"")
            elif kind == "websocket.accept":
                status = 101
            num_bytes += len(message.get("body", b"")) + len((message.get("text") or "").encode())
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        finally:
            log_request(
                "WEBSOCKET" if is_socket else scope["method"],
                self._routes.label(scope["path"]) or "other",
                status,
                began,
                num_bytes,
                request_id,
                name_of(request_caller.get()),
            )
