"""Where a request carries its key."""

import pytest
from starlette.types import Scope

from rondo_services.server.access.presented import chosen_subprotocol, presented_key


def _scope(*headers: tuple[bytes, bytes], kind: str = "http", subprotocols: tuple[str, ...] = ()) -> Scope:
    return {"type": kind, "headers": headers, "subprotocols": list(subprotocols)}


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        (b"authorization", b"Bearer abc", "abc"),
        (b"authorization", b"bearer  abc ", "abc"),
        (b"authorization", b"Bearer", ""),
        (b"authorization", b"Basic abc", None),
        (b"x-api-key", b"abc", "abc"),
        (b"x-api-key", b"\xff", "ÿ"),
        (b"cookie", b"abc", None),
    ],
)
def test_headers(name: bytes, value: bytes, key: str | None) -> None:
    assert presented_key(_scope((b"host", b"h"), (name, value))) == key


def test_a_gateway_may_have_a_token_of_its_own() -> None:
    own, gateway = (b"x-api-key", b"own"), (b"authorization", b"Bearer of-the-gateway")
    assert presented_key(_scope(own, gateway)) == presented_key(_scope(gateway, own)) == "own"


def test_a_browser_offers_the_key_of_a_socket_as_a_subprotocol() -> None:
    scope = _scope(kind="websocket", subprotocols=("rondo", "rondo-key.abc"))
    assert presented_key(scope) == "abc"
    assert chosen_subprotocol(scope) == "rondo"
    assert presented_key(_scope((b"x-api-key", b"own"), kind="websocket", subprotocols=("rondo-key.abc",))) == "own"


def test_nothing_is_chosen_that_was_not_offered() -> None:
    assert chosen_subprotocol(_scope(kind="websocket", subprotocols=("other",))) is None
    assert presented_key(_scope(kind="websocket", subprotocols=("other",))) is None
