"""The middleware that asks for keys."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from rondo_services.access.control import AccessControl, Standing, charge, identify, request_caller
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.errors import NotAuthenticated
from rondo_services.server.access.gate import KeyGate, document_keys, limit_headers
from rondo_services.server.limits import BodyLimit
from rondo_services.server.shapes import ErrorShapes


class World:
    """A gate before an app that answers 200 and notes whom it sees; a list of (status, headers, body) is sent."""

    def __init__(self, folder: Path, opened: tuple[str, ...] = (), **limits: Any) -> None:
        file = KeyFile(folder)
        self.record, self.key = file.create("shop", Allowance(**limits), None, datetime.now(UTC))
        control = AccessControl(Keyring(file), Ledger(UsageBook(folder)))
        self.app: Any = KeyGate(self._answer, control, ErrorShapes(), opened)
        self.seen: list[str | None] = []
        self.body_key: str | None = None
        self.reads = 0

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        if self.body_key is not None:
            identify(self.body_key)
        caller = request_caller.get()
        self.seen.append(None if caller is None or caller.record is None else caller.record.name)
        charge(10)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"own", b"1")]})
        await send({"type": "http.response.body", "body": b""})

    def ask(
        self, path: str = "/v1/sentiment", *headers: tuple[bytes, bytes], kind: str = "http", length: bytes = b"5"
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            self.reads += 1
            return {"type": "http.request", "body": b"x" * 5, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": kind, "path": path, "method": "POST", "http_version": "1.1", "subprotocols": [],
                 "headers": [(b"content-length", length), *headers]}  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        if sent[0]["type"] == "websocket.accept":
            return 101, {}, b""
        return sent[0]["status"], dict(sent[0]["headers"]), b"".join(m.get("body", b"") for m in sent[1:])

    @property
    def bearer(self) -> tuple[bytes, bytes]:
        return b"authorization", f"Bearer {self.key}".encode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_valid_key_passes_and_is_known_inside(world: World) -> None:
    status, headers, _ = world.ask("/v1/sentiment", world.bearer)
    assert (status, headers) == (200, {b"own": b"1"})  # a key without limits is told of none
    assert world.seen == ["shop"]


@pytest.mark.parametrize("path", ["/v1/sentiment", "/metrics", "/docs", "/openapi.json", "/nowhere", "/health/x"])
@pytest.mark.parametrize("headers", [[], [(b"x-api-key", b"wrong")]])
def test_without_one_nothing_is_answered_or_read(world: World, path: str, headers: list[tuple[bytes, bytes]]) -> None:
    status, replied, body = world.ask(path, *headers)
    assert status == 401
    assert replied[b"www-authenticate"] == b"Bearer"
    assert json.loads(body)["error"]["code"] == "invalid_key"
    assert b"wrong" not in body
    assert (world.seen, world.reads) == ([], 0)


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live", "/v2/health/ready"])
def test_health_is_open(world: World, path: str) -> None:
    assert world.ask(path)[0] == 200
    assert world.seen == [None]


@pytest.mark.parametrize(
    ("opened", "path", "status"),
    [
        (("metrics",), "/metrics", 200),
        (("metrics",), "/docs", 401),
        (("docs",), "/docs", 200),
        (("docs",), "/openapi.json", 200),
        (("docs",), "/static-offline-docs/x.js", 200),
        (("docs",), "/metrics", 401),
        ((), "/static-offline-docs/x.js", 401),
    ],
)
def test_metrics_and_docs_can_be_opened(tmp_path: Path, opened: tuple[str, ...], path: str, status: int) -> None:
    assert World(tmp_path, opened).ask(path)[0] == status


def test_a_large_body_is_not_waited_for_and_its_connection_ends(world: World) -> None:
    status, headers, _ = world.ask("/v1/sentiment", length=b"1000000")
    assert (status, headers[b"connection"]) == (401, b"close")


def test_too_large_a_body_is_refused_before_a_key_is_looked_at(world: World) -> None:
    world.app = BodyLimit(world.app, 10, ErrorShapes())
    assert world.ask("/v1/sentiment", length=b"11")[0] == 413


def test_limits_are_told_with_every_reply(tmp_path: Path) -> None:
    world = World(tmp_path, requests_per_minute=2, characters_per_day=100)
    _, headers, _ = world.ask("/v1/sentiment", world.bearer)
    assert headers[b"ratelimit-policy"] == (
        b'"requests-per-minute";q=2;w=60, "characters-per-day";q=100;qu="characters";w=86400'
    )
    assert headers[b"ratelimit"].startswith(b'"requests-per-minute";r=1;t=30, "characters-per-day";r=90;t=')
    world.ask("/v1/sentiment", world.bearer)
    status, headers, body = world.ask("/v1/sentiment", world.bearer)
    assert status == 429
    assert headers[b"retry-after"] == b"30"
    assert json.loads(body)["error"]["code"] == "limit_reached"
    assert len(world.seen) == 2


def test_fields_are_those_of_the_draft() -> None:
    assert limit_headers([Standing("requests-per-day", 5, 0, 86_400, 7)]) == [
        (b"ratelimit-policy", b'"requests-per-day";q=5;w=86400'),
        (b"ratelimit", b'"requests-per-day";r=0;t=7'),
    ]


def test_on_some_paths_the_key_may_come_later(tmp_path: Path) -> None:
    world = World(tmp_path, requests_per_day=9)
    world.body_key = world.key
    status, headers, _ = world.ask("/translate")
    assert status == 200
    assert headers[b"ratelimit"].startswith(b'"requests-per-day";r=8')
    assert world.seen == ["shop"]


def test_where_it_never_comes_no_text_is_worked_on(world: World) -> None:
    with pytest.raises(NotAuthenticated):
        world.ask("/translate")


def test_a_wrong_key_in_a_header_is_refused_at_once_there_too(world: World) -> None:
    assert world.ask("/translate", (b"x-api-key", b"wrong"))[0] == 401


def test_a_socket_needs_a_key_for_its_handshake(world: World) -> None:
    status, headers, body = world.ask(kind="websocket")
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
    assert json.loads(body)["error"]["code"] == "invalid_key"
    assert world.ask("/v1/sentiment", world.bearer, kind="websocket")[0] == 101


def test_the_description_says_that_a_key_is_needed() -> None:
    description: dict[str, Any] = {"paths": {"/health/live": {"get": {}}, "/v1/sentiment": {"post": {}}}}
    document_keys(description)
    assert {"bearer": []} in description["security"]
    assert description["paths"]["/health/live"]["get"]["security"] == []
    assert "security" not in description["paths"]["/v1/sentiment"]["post"]
