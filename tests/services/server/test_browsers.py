"""What browsers are told."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send
from tests.services.server.conftest import Connect

from rondo_services.local import LocalSuite
from rondo_services.server.browsers import OriginCheck, standing_headers
from rondo_services.server.settings import ServerSettings

SHOP = "https://shop.example"
PREFLIGHT = {
    "Origin": SHOP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def _settings(origins: str) -> ServerSettings:
    return ServerSettings(cors_origins=origins)


@pytest.mark.parametrize(
    "value", ["shop.example", "https://shop.example/", "https://a.example, ftp://b", "https://a/b"]
)
def test_what_is_no_origin_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="an origin is like"):
        _settings(value)


def test_transport_security_is_demanded_only_where_there_is_tls() -> None:
    assert "Strict-Transport-Security" in dict(standing_headers(tls=True))
    plain = dict(standing_headers(tls=False))
    assert "Strict-Transport-Security" not in plain
    assert plain["X-Content-Type-Options"] == "nosniff"
    assert plain["Cache-Control"] == "no-store"


def _ask(suite: LocalSuite, connect: Connect, origins: str, *requests: tuple[str, str, dict[str, Any]]) -> list[Any]:
    async def ask() -> list[Any]:
        async with connect(suite, _settings(origins)) as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(ask())


def test_by_default_no_other_site_may_ask(suite: LocalSuite, connect: Connect) -> None:
    asking = {"json": {"text": "a"}, "headers": {"Origin": SHOP}}
    preflight, reply = _ask(
        suite, connect, "", ("OPTIONS", "/v1/sentiment", {"headers": PREFLIGHT}), ("POST", "/v1/sentiment", asking)
    )
    assert preflight.status_code == 405
    assert reply.status_code == 200
    assert "access-control-allow-origin" not in reply.headers


def test_an_allowed_site_may_ask_and_sees_errors_too(suite: LocalSuite, connect: Connect) -> None:
    asking = [{"json": body, "headers": {"Origin": SHOP}} for body in ({"text": "a"}, {"wrong": 1})]
    preflight, *replies = _ask(
        suite,
        connect,
        f"http://localhost:3000, {SHOP}",
        ("OPTIONS", "/v1/sentiment", {"headers": PREFLIGHT}),
        *(("POST", "/v1/sentiment", own) for own in asking),
    )
    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    assert [reply.status_code for reply in replies] == [200, 422]
    for reply in (preflight, *replies):
        assert reply.headers["access-control-allow-origin"] == SHOP
    assert "X-Request-Id" in replies[1].headers["access-control-expose-headers"]


def test_a_site_that_is_not_allowed_may_not(suite: LocalSuite, connect: Connect) -> None:
    headers = {**PREFLIGHT, "Origin": "https://evil.example"}
    (reply,) = _ask(suite, connect, SHOP, ("OPTIONS", "/v1/sentiment", {"headers": headers}))
    assert reply.status_code == 400
    assert "access-control-allow-origin" not in reply.headers


def test_a_reply_may_load_nothing_and_the_docs_only_their_own(suite: LocalSuite, connect: Connect) -> None:
    health, page = _ask(suite, connect, "", ("GET", "/health/live", {}), ("GET", "/docs", {}))
    assert health.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "script-src 'self' 'unsafe-inline'" in page.headers["content-security-policy"]
    assert "://" not in page.text  # nothing from elsewhere, which the policy would forbid


@pytest.mark.parametrize(
    ("origins", "origin", "opens"),
    [
        ([], None, True),
        ([], "http://rondo.test", True),
        ([], "https://evil.example", False),
        ([], "null", False),
        ([], "http://[", False),
        ([SHOP], SHOP, True),
        ([SHOP], "https://evil.example", False),
        (["*"], "https://evil.example", True),
    ],
)
def test_pages_of_other_sites_open_no_socket(origins: list[str], origin: str | None, opens: bool) -> None:
    """They once could, to a server on the reader's own machine too: browsers ask no leave for sockets."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"rondo.test"), *([] if origin is None else [(b"origin", origin.encode())])]
    asyncio.run(OriginCheck(app, origins)({"type": "websocket", "headers": headers}, receive, send))
    assert [message["type"] for message in sent] == [f"websocket.{'accept' if opens else 'close'}"]
