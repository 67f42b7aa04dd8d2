"""ASGI middleware that lets requests with a valid key pass, while the key's limits allow, before their body is read."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...access.control import AccessControl, Caller, Standing, request_caller
from ...errors import LimitReached, NotAuthenticated
from ..errors import failure_of
from ..refusal import answer_before_the_body
from ..shapes import ErrorShapes, failure_reply
from .presented import presented_key

CALLER = "caller"
"""In the state of an ASGI scope: the `Caller`, if the protocol has looked at the key already."""

_OPEN = frozenset(
    (
        *("/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"),
        *("/languages", "/frontend/settings"),  # LibreTranslate's clients learn there that a key is needed
    )
)
_OPENED: dict[str, tuple[str, ...]] = {
    "metrics": ("/metrics",),
    "docs": ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
}
_DOCS_FILES = "/static-offline-docs/"
_SECRET_NAMES = ("/download_file/", "/translate_file/")
"""Of files, which only those know who sent them; LibreTranslate's clients fetch them without a key."""

_KEY_IN_BODY = frozenset(("/translate", "/translate_file", "/detect"))
"""LibreTranslate's paths, where a key may be in the query or the body; its protocol calls `access.control.identify`.
If it did not, `charge` would refuse the texts."""


class KeyGate:
    """Asks for a key, and tells clients how far its limits are used up (draft-ietf-httpapi-ratelimit-headers).

    Overloaded servers refuse before this: refusals in `protocol.py` must cost little, and tell nothing.

    Args:
        opened: names of what else needs no key.
    """

    def __init__(self, app: ASGIApp, control: AccessControl, shapes: ErrorShapes, opened: Iterable[str] = ()) -> None:
        self.app = app
        self._control = control
        self._shapes = shapes
        opened = frozenset(opened)
        self._open = _OPEN.union(*(_OPENED[name] for name in opened))
        self._open_files = (*_SECRET_NAMES, _DOCS_FILES) if "docs" in opened else _SECRET_NAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in self._open or scope["path"].startswith(self._open_files):
            request_caller.set(None)
            await self.app(scope, receive, send)
            return
        caller: Caller = scope.get("state", {}).get(CALLER) or Caller(self._control)
        request_caller.set(caller)
        key = presented_key(scope)
        if key is not None or scope["path"] not in _KEY_IN_BODY:
            try:
                caller.identify(key)
            except (NotAuthenticated, LimitReached) as error:
                await self._refuse(error, scope, receive, send)
                return

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                caller.is_told(message["status"])
                if standings := caller.standings():
                    message["headers"] = [*message.get("headers", ()), *limit_headers(standings)]
            await send(message)

        await self.app(scope, receive, send_with_limits)

    async def _refuse(self, error: NotAuthenticated | LimitReached, scope: Scope, receive: Receive, send: Send) -> None:
        reply = failure_reply(failure_of(error), self._shapes.of(scope["path"]))
        status, headers, body = reply.status_code, reply.raw_headers, bytes(reply.body)
        if scope["type"] == "websocket":  # the handshake ends with this reply instead
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})
            return
        await answer_before_the_body(status, headers, body, scope, receive, send)


def limit_headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """Fields `RateLimit-Policy` (how much in how many seconds) and `RateLimit` (how much is left, for how long)."""
    policies = ", ".join([_policy(name, most, window_s) for name, most, _, window_s, _ in standings])
    states = ", ".join([f'"{name}";r={left};t={reset_s}' for name, _, left, _, reset_s in standings])
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", states.encode())]


@lru_cache
def _policy(name: str, most: int, window_s: int) -> str:
    unit = ';qu="characters"' if name.startswith("characters") else ""
    return f'"{name}";q={most}{unit};w={window_s}'


def document_keys(description: dict[str, Any]) -> None:
    """Say in an OpenAPI description that keys are asked for; the page of the docs then has a field for one."""
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["bearer"] = {"type": "http", "scheme": "bearer"}
    schemes["header"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    description["security"] = [{"bearer": []}, {"header": []}]
    for path in _OPEN & description["paths"].keys():
        for operation in description["paths"][path].values():
            operation["security"] = []
