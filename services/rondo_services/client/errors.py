"""What a server's refusal is to the asker: the domain's own errors, and two that only a client can meet.

RondoError
├── …                 as in `rondo_services.errors`, told apart by the code in the reply
├── ServerError       a reply that is none of those; it has `status` and `body`
└── ConnectionFailed  no reply came, or it broke off
"""

import json
from collections.abc import Iterator, Mapping

import httpx

from ..errors import LimitReached, Overloaded, RondoError, TimedOut


class ServerError(RondoError):
    """The server, or something before it, answered with an error that the domain does not know.

    Attributes:
        status: of HTTP; None for one in mid-stream.
        body: of the reply.
    """

    code = "server_error"

    def __init__(self, message: str, *, status: int | None, body: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.status = status
        self.body = body


class ConnectionFailed(RondoError):
    """No reply came, or not all of it."""

    code = "connection_failed"


_SHOWN = 500
_ONLY_HERE = (ServerError, ConnectionFailed)


def error_of(content: bytes, status: int | None = None, headers: Mapping[str, str] | None = None) -> RondoError:
    """The error that a reply, or an event of a stream, tells of: `{"error": {"code", "message", "field"}}`."""
    body = content.decode(errors="replace")
    try:
        told = json.loads(content)["error"]
        code, message, place = str(told["code"]), str(told["message"]), told.get("field")
    except (ValueError, TypeError, KeyError, AttributeError):
        asked = "in mid-stream" if status is None else str(status)
        return ServerError(f"the server answered {asked}: {body[:_SHOWN]}", status=status, body=body)
    field = place if isinstance(place, str) else None
    kind = {kind.code: kind for kind in _kinds(RondoError) if kind not in _ONLY_HERE}.get(code)
    wait = retry_after_s(headers or {})
    if kind is None:
        return ServerError(f"{code}: {message}", status=status, body=body, field=field)
    if issubclass(kind, Overloaded | LimitReached):
        return kind(message, retry_after_s=1 if wait is None else wait)
    return kind(message, field=field)


def _kinds(kind: type[RondoError]) -> Iterator[type[RondoError]]:
    for own in kind.__subclasses__():
        yield own
        yield from _kinds(own)


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Seconds of Retry-After; None without one, or if it is a date or would be centuries."""
    text = headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def broken(error: httpx.RequestError) -> RondoError:
    """What a connection that failed, or brought what can't be unpacked, is to the asker."""
    if isinstance(error, httpx.ReadTimeout):
        return TimedOut(f"{error.request.url} did not answer in time")
    return ConnectionFailed(f"{error.request.url}: {error or type(error).__name__}")
