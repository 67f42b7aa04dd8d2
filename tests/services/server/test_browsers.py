"""What browsers are told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send
from tests.services.server.conftest import Connect

from rondo_services.local import LocalSuite
from rondo_services.server.browsers import OriginCheck, standing_headers
from rondo_services.server.settings import ServerSettings
from rondo_services.server.shapes import ErrorShapes

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


def test_redoc_asks_for_no_logo_from_elsewhere(suite: LocalSuite, connect: Connect) -> None:
    page, script = _ask(
        suite, connect, "", ("GET", "/redoc", {}), ("GET", "/static-offline-docs/redoc.standalone.js", {})
    )
    assert "/static-offline-docs/redoc.standalone.js" in page.text
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert len(script.content) > 1_000_000
    assert b"cdn.redoc.ly" not in script.content
    assert b'src:"data:image/gif;base64,' in script.content


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
    asyncio.run(OriginCheck(app, origins, ErrorShapes())({"type": "websocket", "headers": headers}, receive, send))
    assert [message["type"] for message in sent] == [f"websocket.{'accept' if opens else 'close'}"]


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ("", None, 201),
        ("", "http://test", 201),
        ("", "https://test", 201),  # a proxy has the certificate
        ("", "http://test:8000", 403),
        ("", SHOP, 403),
        ("", "null", 403),
        ("", "", 201),
        ("", "http://[", 403),
        (SHOP, SHOP, 201),
        (SHOP, "https://evil.example", 403),
        ("*", "https://evil.example", 201),
    ],
)
def test_pages_of_other_sites_post_no_forms(
    suite: LocalSuite, connect: Connect, origins: str, origin: str | None, status: int, tmp_path: Path
) -> None:
    """They once could put files on a server without keys: browsers ask no leave for forms."""

    async def ask() -> Any:
        settings = ServerSettings(cors_origins=origins, state_dir=tmp_path)
        async with connect(suite, settings, at_work=True) as client:
            headers = {} if origin is None else {"Origin": origin}
            file, fields = {"file": ("a.txt", b"The boat.")}, {"purpose": "job"}
            reply = await client.post("/v1/files", headers=headers, files=file, data=fields)
            return reply, (await client.get("/v1/files")).json()

    reply, listed = asyncio.run(ask())
    assert (reply.status_code == 403, len(listed["data"])) == (status == 403, status != 403)
    if status == 403:
        assert reply.json()["error"]["code"] == "not_allowed"
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("method", "kind", "passes"),
    [
        ("POST", None, False),
        ("POST", "text/plain", False),
        ("POST", "Application/X-WWW-Form-Urlencoded ; charset=utf-8", False),
        ("POST", "multipart/form-data; boundary=x", False),
        ("POST", "application/json", True),
        ("PUT", "text/plain", True),
        ("DELETE", None, True),
        ("GET", None, True),
    ],
)
def test_only_what_browsers_ask_no_leave_for_is_looked_at(method: str, kind: str | None, passes: bool) -> None:
    passed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 403) == 403

    headers = [(b"host", b"rondo.test"), (b"origin", SHOP.encode())]
    if kind is not None:
        headers.append((b"content-type", kind.encode()))
    scope = {"type": "http", "method": method, "path": "/v1/files", "http_version": "1.1", "headers": headers}
    asyncio.run(OriginCheck(app, [], ErrorShapes())(scope, receive, send))
    assert bool(passed) == passes


def test_a_form_is_refused_before_it_has_come() -> None:
    """All of a large file was read before."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    sent: list[Message] = []

    async def receive() -> Message:
        assert sent, "the reply does not wait for the body"
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"rondo.test"), (b"origin", SHOP.encode()), (b"content-length", b"100000000")]
    scope = {"type": "http", "method": "POST", "path": "/v1/files", "http_version": "1.1", "headers": headers}
    asyncio.run(OriginCheck(app, [], ErrorShapes())(scope, receive, send))
    assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (403, True)
