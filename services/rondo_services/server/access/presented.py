"""Where a request carries its key.

In `Authorization: Bearer KEY` or `X-API-Key: KEY`. A browser can't set headers of a WebSocket, so there a key may also
be offered as a subprotocol: `new WebSocket(url, ["rondo", "rondo-key." + key])`; the server then chooses `rondo`. Never
in the URL, which is logged on the way.
"""

from collections.abc import Iterable

from starlette.types import Scope

SUBPROTOCOL = "rondo"
_KEY_SUBPROTOCOL = "rondo-key."


def presented_key(scope: Scope) -> str | None:
    """What an HTTP request or a WebSocket's handshake has as its key; None if nothing."""
    found = key_in(scope["headers"])
    if found is None and scope["type"] == "websocket":
        offered = (name for name in scope.get("subprotocols", ()) if name.startswith(_KEY_SUBPROTOCOL))
        return next((name.removeprefix(_KEY_SUBPROTOCOL) for name in offered), None)
    return found


def chosen_subprotocol(scope: Scope) -> str | None:
    """What a WebSocket is to be accepted with."""
    return SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None


def key_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What the headers of a request have as its key; None if nothing.

    `X-API-Key` comes before `Authorization`, in which a gateway before the server may have put a token of its own.
    """
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization" and bearer is None:
            scheme, _, rest = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                bearer = rest.strip()
    return bearer
