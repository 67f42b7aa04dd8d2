"""Refusals on the wire: the connection goes on after them, and what is not plain goes the usual way."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
import uvicorn
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from starlette.types import Receive, Scope, Send
from tests.services.server.places_only import PlacesOnly
from tests.services.server.wire import BODY, PATH, Connection, connected, request

from rondo_services.server.door import Door
from rondo_services.server.headers import ReplyHeaders
from rondo_services.server.metrics import CountReplies, ServerMetrics
from rondo_services.server.protocol import refusing_protocol
from rondo_services.server.routes import Templates
from rondo_services.server.shapes import ErrorShapes
from rondo_services.server.telemetry import Telemetry


class World:
    """A server whose app takes bodies, and its clients."""

    def __init__(self, engine: PlacesOnly, metrics: ServerMetrics, port: int) -> None:
        self.engine = engine
        self.metrics = metrics
        self._port = port

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return connected(self._port)

    def metric(self, name: str) -> float:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def _counts_its_body(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    content = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


def _serve(
    scenario: Callable[[World], Coroutine[Any, Any, None]],
    *,
    free: int = 0,
    door: bool = True,
    telemetry: Telemetry | None = None,
    cors: bool = False,
    logged: bool = False,
) -> None:
    """Run a scenario against a server with so many free places."""

    async def run() -> None:
        metrics = ServerMetrics()
        engine = PlacesOnly(free, metrics.refused)
        app: Any = Door(_counts_its_body, engine, {PATH}, ErrorShapes()) if door else _counts_its_body
        app = CountReplies(ReplyHeaders(app), metrics, Templates({PATH: "sentiment"}))
        options = {"cors": cors, "logged": logged}
        protocol = refusing_protocol(engine, metrics, {PATH: "sentiment"}, ErrorShapes(), telemetry, None, **options)
        config = uvicorn.Config(app, "127.0.0.1", 0, http=protocol, log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        listener = config.bind_socket()
        serving = asyncio.create_task(server.serve([listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.001)
            await scenario(World(engine, metrics, listener.getsockname()[1]))
        finally:
            server.should_exit = True
            await serving

    asyncio.run(run())


@pytest.mark.parametrize("cors", [True, False])
def test_where_pages_of_other_sites_may_ask_the_app_refuses_theirs(cors: bool) -> None:
    """So that the reply has the headers without which they could not read it. Without a door nothing is refused."""

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            assert (await connection.ask("origin: https://shop.example")).status == (200 if cors else 429)
            assert (await connection.ask()).status == 429

    _serve(scenario, door=False, cors=cors)


def test_a_refusal_is_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            await connection.ask("x-request-id: mine-1")

    with caplog.at_level(logging.INFO, "rondo.access"):
        _serve(scenario, logged=True)
    (record,) = [record for record in caplog.records if record.name == "rondo.access"]
    fields = record.__dict__["fields"]
    assert (fields["request_id"], fields["route"], fields["status"]) == ("mine-1", PATH, 429)


def test_a_refusal_is_that_of_the_door() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            early = await connection.ask("x-request-id: mine-1")
            usual = await connection.ask("x-request-id: mine-1", "connection: close")
        assert (early.status, early.body) == (usual.status, usual.body)
        assert json.loads(early.body)["error"]["code"] == "overloaded"
        assert early.headers["retry-after"] == "3"
        assert early.headers["x-request-id"] == "mine-1"
        assert usual.headers.pop("connection") == "close"
        differing = {name for name, value in early.headers.items() if value != usual.headers.get(name)}
        assert early.headers.keys() == usual.headers.keys()
        assert differing <= {"date", "x-total-time"}
        assert world.metric("rondo_requests_refused_total") == 2
        assert world.metric('rondo_http_replies_total{path="/v1/sentiment",status="429"}') == 2

    _serve(scenario)


def test_an_id_is_made_where_none_is_usable() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ids = [(await connection.ask(*given)).headers["x-request-id"] for given in ([], ["x-request-id: a b"], [])]
        assert all(len(own) == 32 and int(own, 16) >= 0 for own in ids)
        assert len(set(ids)) == 3

    _serve(scenario)


def test_a_connection_goes_on_after_refusals() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            for free in (0, 0, 1, 0, 1):
                world.engine.free = free
                reply = await connection.ask()
                assert reply.status == (200 if free else 429)
                assert world.engine.free == free
            assert reply.body == str(len(BODY)).encode()

    _serve(scenario)


def test_a_refusal_does_not_wait_for_the_body() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request()[: -len(BODY)])
            assert (await connection.reply()).status == 429
            world.engine.free = 1
            connection.send(BODY[:5])
            await asyncio.sleep(0.02)
            connection.send(BODY[5:])
            assert (await connection.ask(body=b"{}")).body == b"2"

    _serve(scenario)


def test_bodies_that_are_long_in_coming_keep_no_places() -> None:
    async def scenario(world: World) -> None:
        async with AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(world.connection()) for _ in range(20)]
            for connection in slow:
                connection.send(request()[:-1])
            async with world.connection() as quick:
                assert (await quick.ask()).status == 200
            for connection in slow:
                connection.send(BODY[-1:])
                assert (await connection.reply()).status == 200

    _serve(scenario, free=1)


@pytest.mark.parametrize("header", ["connection: close", "expect: 100-continue"])
def test_what_is_not_plain_is_refused_too_and_closed(header: str) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            reply = await connection.ask(header)
            assert (reply.status, reply.headers["connection"]) == (429, "close")
            assert await connection.is_closed()

    _serve(scenario)


def test_a_large_body_is_refused_and_the_client_sees_it() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            reply = await connection.ask(body=b" " * 2_000_000)
            assert (reply.status, reply.headers["connection"]) == (429, "close")
            assert await connection.is_closed()

    _serve(scenario)


def test_a_body_in_chunks_is_refused() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(f"POST {PATH} HTTP/1.1\r\nhost: rondo\r\ntransfer-encoding: chunked\r\n\r\n".encode())
            assert (await connection.reply()).status == 429
            connection.send(b"2\r\n{}\r\n0\r\n\r\n")
            assert await connection.is_closed()

    _serve(scenario)


def test_replies_come_in_the_order_of_requests_that_came_together() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(body=b"1") + request(body=b"12") + request(body=b"123"))
            assert [(await connection.reply()).body for _ in range(3)] == [b"1", b"2", b"3"]
            world.engine.free = 0
            connection.send(request("x-request-id: a") + request("x-request-id: b"))
            assert [(await connection.reply()).headers["x-request-id"] for _ in range(2)] == ["a", "b"]

    _serve(scenario, free=1)


def test_other_paths_are_not_refused() -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(path="/v1/poetry"))
            assert (await connection.reply()).status == 200
            connection.send(f"GET {PATH} HTTP/1.1\r\nhost: rondo\r\n\r\n".encode())
            assert (await connection.reply()).status == 200

    _serve(scenario)


def test_a_place_that_no_door_claims_is_given_back() -> None:
    """What stands before the door, as the limit of bodies, may answer by itself."""

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            assert (await connection.ask()).status == 200
        assert world.engine.free == 1

    _serve(scenario, free=1, door=False)


def test_more_in_one_moment_than_there_are_places() -> None:
    """All that had come in one round of the event loop once went the long way to their refusal."""

    async def scenario(world: World) -> None:
        most_free = world.engine.free

        async def ask() -> int:
            async with world.connection() as connection:
                return (await connection.ask()).status

        statuses = await asyncio.gather(*(ask() for _ in range(50)))
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= most_free
        assert world.metric("rondo_requests_refused_total") == statuses.count(429)
        assert world.metric("rondo_http_replies_total") == 50
        assert world.engine.free == most_free

    _serve(scenario, free=3)


def test_a_refusal_is_a_span() -> None:
    exporter = InMemorySpanExporter()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            await connection.ask("x-request-id: mine-1", f"traceparent: 00-{trace}-00f067aa0ba902b7-01")

    _serve(scenario, telemetry=Telemetry(SimpleSpanProcessor(exporter)))
    (span,) = exporter.get_finished_spans()
    assert (span.name, f"{span.context.trace_id:032x}") == (f"POST {PATH}", trace)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 429,
        "http.route": PATH,
        "rondo.service": "sentiment",
        "http.response.header.x-request-id": ("mine-1",),
    }
