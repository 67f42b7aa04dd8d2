"""What browsers are told: which sites may ask, and what a page may do with a reply."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import NotAllowed
from .errors import failure_of
from .limits import media_type
from .refusal import answer_before_the_body
from .shapes import ErrorShapes, failure_reply

_ANY = "*"
_DOCS = frozenset(("/docs", "/docs/oauth2-redirect", "/redoc"))
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""Of all replies but the pages of the docs."""

_DOCS_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; font-src 'self' data:; worker-src blob:; base-uri 'none'; frame-ancestors 'none'",
)
_UNASKED = frozenset((b"", b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain"))
"""Kinds of body that any page may post to any site, as forms always could (the Fetch standard's "safelisted")."""

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
    """ASGI middleware: what browsers send without asking leave is for pages of this server and of allowed origins, and
    for programs, which name no origin.

    These are WebSockets and posted forms. Without a look at them any page could use a server without keys, and put
    files on it. Browsers ask leave (`CORSMiddleware` answers) for other methods and for JSON, which passes here; so the
    short way, which takes JSON alone, needs no such look.

    Args:
        shapes: in which refusals are told.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], shapes: ErrorShapes) -> None:
        self.app = app
        self._origins = frozenset(origins)
        self._shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _comes_unasked(scope) or self._may_ask(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._refuse(scope, receive, send)

    def _may_ask(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin or origin in self._origins or _ANY in self._origins:
            return True
        try:
            host = urlsplit(origin).netloc
        except ValueError:  # as of "http://["
            return False
        return bool(host and host == headers.get(b"host", b"").decode("latin-1"))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = NotAllowed("pages of this origin may not send that; RONDO_CORS_ORIGINS names those that may")
        reply = failure_reply(failure_of(error), self._shapes.of(scope["path"]))
        await answer_before_the_body(reply.status_code, reply.raw_headers, bytes(reply.body), scope, receive, send)


def _comes_unasked(scope: Scope) -> bool:
    """Whether a browser may have sent it for a page without asking the server before."""
    if scope["type"] != "http":
        return bool(scope["type"] == "websocket")
    return scope["method"] == "POST" and media_type(dict(scope["headers"]).get(b"content-type", b"")) in _UNASKED
