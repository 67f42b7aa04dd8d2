"""What browsers are told: which sites may ask, and what a page may do with a reply."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANY = "*"
_DOCS = frozenset(("/docs", "/docs/oauth2-redirect", "/redoc"))
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""Of all replies but the pages of the docs."""

_DOCS_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; font-src 'self' data:; worker-src blob:; base-uri 'none'; frame-ancestors 'none'",
)
_SEEN_BY_SCRIPTS = ("X-Request-Id", "X-Queue-Time", "X-Inference-Time", "X-Total-Time", "Retry-After", "RateLimit",
                    "RateLimit-Policy", "X-Rondo-Bundle")  # fmt: skip


def cors_options(origins: Sequence[str]) -> dict[str, Any]:
    """For Starlette's middleware. Keys are in headers that scripts set, so no cookie is ever wanted."""
    return {
        "allow_origins": list(origins),
        "allow_methods": ["GET", "POST", "PUT", "DELETE"],
        "allow_headers": ["*"],
        "expose_headers": list(_SEEN_BY_SCRIPTS),
    }


def standing_headers(tls: bool) -> list[tuple[str, str]]:
    """Of all replies, also those that no application makes; uvicorn prepares them once a second.

    Args:
        tls: whether the server itself speaks TLS; else telling browsers to insist on it is the proxy's affair.
    """
    headers = [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),  # replies hold what users have written
    ]
    return [*headers, ("Strict-Transport-Security", "max-age=31536000")] if tls else headers


class ContentPolicy:
    """ASGI middleware: no reply may load or run anything, save that the pages of the docs may run their own scripts.

    A route that says so itself is believed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        policy = _DOCS_POLICY if scope["path"] in _DOCS else POLICY

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                has_own = any(name == policy[0] for name, _ in given)
                message["headers"] = given if has_own else [*given, policy]
            await send(message)

        await self.app(scope, receive, send_with_policy)


class OriginCheck:
    """ASGI middleware: WebSockets are for pages of this server and of allowed origins, and for programs.

    Browsers ask no leave before a page opens a WebSocket to another site, so any page could use a server without keys.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self.app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._may_open(scope):
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    def _may_open(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin or origin in self._origins or _ANY in self._origins:
            return True
        try:
            host = urlsplit(origin).netloc
        except ValueError:  # as of "http://["
            return False
        return bool(host == headers.get(b"host", b"").decode("latin-1"))
