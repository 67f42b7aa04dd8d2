"""Both ways make the same replies, to the byte, and count the same; what the client sees of a visit that ends badly."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from starlette.types import Receive, Scope, Send
from tests.services.server.places_only import PlacesOnly
from tests.services.server.wire import BODY, Connection, Reply, connected, request

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.engine.requests import Ticket, Work
from rondo_services.errors import EngineFailed, EngineRestarted, RondoError, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.run import server_config
from rondo_services.server.settings import ServerSettings
from rondo_services.server.telemetry import Telemetry
from rondo_services.suite import Suite

PATH = "/v1/sentiment"
JSON = "content-type: application/json"
CHANGING = {"date", "x-total-time", "x-queue-time", "x-inference-time"}
Scenario = Callable[["World"], Coroutine[Any, Any, None]]


class HeldEngine(PlacesOnly):
    """Answers nothing by itself."""

    def __init__(self, free: int = 8) -> None:
        super().__init__(free)
        self.tickets: list[Ticket] = []
        self.refusal: RondoError | None = None

    def submit_all(self, works: Sequence[Work], *args: Any, **options: Any) -> list[Ticket]:
        if self.refusal is not None:
            raise self.refusal
        tickets = [Ticket(work) for work in works]
        self.tickets += tickets
        return tickets

    async def holding(self, count: int) -> None:
        """Return once so many requests have come."""
        while len(self.tickets) < count:
            await asyncio.sleep(0.001)


class World:
    """A server with a real app, which counts what goes the usual way."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self.port = 0
        self.metrics = metrics
        self.num_usual = 0
        self.server: Any = None

    def watched(self, app: Any) -> Any:
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            self.num_usual += scope["type"] == "http"
            await app(scope, receive, send)

        return watch

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return connected(self.port)

    async def by_both_ways(self, *headers: str, body: bytes = BODY) -> tuple[Reply, Reply]:
        """The reply to a request, and to the same one in a form that is not plain."""
        async with self.connection() as connection:
            plain = await connection.ask(*headers, body=body)
            lines = [f"POST {PATH} HTTP/1.1", "host: rondo", "transfer-encoding: chunked", *headers]
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            connection.send("\r\n".join(lines).encode() + b"\r\n\r\n" + chunk + b"0\r\n\r\n")
            return plain, await connection.reply()

    def counts(self) -> dict[str, float]:
        """All that is counted."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        counted = re.compile(r"rondo_\w+(_total|_count)(\{.*\})? ")
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines)
            if counted.match(f"{name} ")
        }


@asynccontextmanager
async def _served(
    suite: Suite, access: AccessControl | None = None, telemetry: Telemetry | None = None, **settings: Any
) -> AsyncIterator[World]:
    fleet, metrics = Fleet.of(suite), ServerMetrics()
    chosen = ServerSettings(**settings)
    app = create_app(fleet, chosen, metrics, telemetry, access)
    config = server_config(app, fleet, chosen, metrics, telemetry, "127.0.0.1", 0)
    config.load()
    world = World(metrics)
    config.loaded_app = world.watched(config.loaded_app)
    world.server = uvicorn.Server(config)
    listener = config.bind_socket()
    world.port = listener.getsockname()[1]
    serving = asyncio.create_task(world.server.serve([listener]))
    try:
        while not world.server.started:
            await asyncio.sleep(0.001)
        yield world
    finally:
        world.server.should_exit = True
        await serving


def _run(scenario: Scenario, suite: Suite, **options: Any) -> None:
    async def run() -> None:
        async with _served(suite, **options) as world:
            await scenario(world)

    asyncio.run(run())


def _held(suite: LocalSuite, free: int = 8) -> tuple[HeldEngine, Suite]:
    engine = HeldEngine(free)
    return engine, replace(suite, engine=engine)


def _assert_same(plain: Reply, usual: Reply, *, made_ids: bool = False) -> None:
    changing = CHANGING | ({"x-request-id"} if made_ids else set())
    assert (plain.status, plain.body) == (usual.status, usual.body)
    assert [name for name, _ in plain.fields] == [name for name, _ in usual.fields]
    assert {name: value for name, value in plain.fields if name not in changing} == {
        name: value for name, value in usual.fields if name not in changing
    }


def _json(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((), BODY),
        ((), _json(text=["The boat is slow.", "조용한 항구", "", "Ça alors !"])),
        ((), _json(text="The boat is slow.", language="de")),
        ((), _json(text="The boat is slow.", model="sentiment", explain=False)),
        (("x-priority: batch", "x-request-timeout-ms: 20000"), BODY),
        (("x-rondo-bundle: rondo-test",), BODY),
        (("origin: https://shop.example",), BODY),
    ],
)
def test_an_answer_is_the_same(suite: LocalSuite, headers: tuple[str, ...], body: bytes) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: mine-1", *headers, body=body)
        assert (plain.status, world.num_usual) == (200, 1)
        _assert_same(plain, usual)
        assert plain.headers["x-request-id"] == "mine-1"

    name = suite.called("rondo-test")
    _run(scenario, name)


def test_an_id_is_made_where_there_is_none(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON + "; charset=utf-8")
        assert world.num_usual == 1
        _assert_same(plain, usual, made_ids=True)
        assert re.fullmatch("[0-9a-f]{32}", plain.headers["x-request-id"])

    _run(scenario, suite)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (400, (JSON,), b"{"),
        (400, (JSON,), b"\xff"),
        (422, (JSON,), b""),
        (422, (JSON,), b"[]"),
        (400, (JSON,), b"[" * 1000),
        (400, (JSON,), _json(text=["x"] * 300)),
        (422, (JSON,), _json()),
        (422, (JSON,), _json(text=5)),
        (422, (JSON,), _json(text=[])),
        (422, (JSON,), _json(text="x", language="fr")),
        (422, (JSON,), _json(text="x", strange=1)),
        (422, (JSON,), b'{"text": "\\ud800"}'),
        (422, (JSON,), _json(text="slow boat " * 100)),
        (404, (JSON,), _json(text="x", model="nobody")),
        (404, (JSON, "x-rondo-bundle: nobody"), BODY),
        (422, (JSON, "x-priority: urgent"), BODY),
        (422, (JSON, "x-request-timeout-ms: 0"), BODY),
        (415, (), BODY),
        (415, ("content-type: text/plain",), BODY),
        (200, (JSON,), _json(text="x", explain=True)),
        (200, ("content-type: application/merge-patch+json",), BODY),
        (200, (JSON,), b'{"text": "one", "text": "two"}'),
        (200, (JSON,), '{"text": "영화"}'.encode("utf-16")),
        (200, (JSON,), _json(text=["slow " * 10] * 250)),
    ],
)
def test_all_else_is_the_same_too(suite: LocalSuite, status: int, headers: tuple[str, ...], body: bytes) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways("x-request-id: mine-1", *headers, body=body)
        assert plain.status == status
        _assert_same(plain, usual)

    _run(scenario, suite, max_text_tokens=64, max_json_values=260)


@pytest.mark.parametrize("error", [EngineFailed("it broke"), EngineRestarted("being started"), TimedOut("too late")])
def test_an_error_of_the_engine_is_the_same(suite: LocalSuite, error: RondoError) -> None:
    engine, held = _held(suite)

    async def scenario(world: World) -> None:
        async def fail() -> None:
            for number in range(2):
                await engine.holding(2 * number + 2)
                engine.tickets[-1].fail(error)

        failing = asyncio.create_task(fail())
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", body=_json(text=["x", "y"]))
        await failing
        assert (plain.status, world.num_usual) == (504 if isinstance(error, TimedOut) else 503, 1)
        _assert_same(plain, usual)
        assert [ticket.cancelled for ticket in engine.tickets] == [True, False] * 2
        assert engine.free == 8

    _run(scenario, held)


def test_a_refusal_of_the_engine_is_the_same(suite: LocalSuite) -> None:
    engine, held = _held(suite)
    engine.refusal = EngineRestarted("the engine is being started")

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a")
        assert (plain.status, world.num_usual) == (503, 1)
        _assert_same(plain, usual)

    _run(scenario, held)


@pytest.mark.parametrize(("free", "texts", "num_usual"), [(0, 1, 1), (2, 3, 1)])
def test_a_refusal_for_want_of_places_is_the_same(suite: LocalSuite, free: int, texts: int, num_usual: int) -> None:
    engine, held = _held(suite, free)

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", body=_json(text=["x"] * texts))
        assert (plain.status, world.num_usual) == (429, num_usual)
        assert (plain.body, plain.headers["retry-after"]) == (usual.body, usual.headers["retry-after"])
        assert engine.free == free

    _run(scenario, held)


def test_a_fault_of_ours_is_the_same(
    suite: LocalSuite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert suite.sentiment is not None

    def broken(*args: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(suite.sentiment, "result", broken)

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON)
        assert (plain.status, world.num_usual) == (500, 1)
        _assert_same(plain, usual)
        async with world.connection() as connection:
            for _ in range(2):  # the connection goes on
                assert (await connection.ask(JSON)).status == 500

    with caplog.at_level(logging.ERROR):
        _run(scenario, suite)
    assert "on purpose" in caplog.text


def test_both_ways_are_counted_alike(suite: LocalSuite) -> None:
    bodies = [BODY, _json(text=["a", "b", "c"]), _json(text="x", model="nobody"), b"{", _json(text="x" * 5000)]

    async def scenario(world: World) -> None:
        grown = []
        before = world.counts()
        for way in range(2):
            for body in bodies:
                async with world.connection() as connection:
                    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                    head = (
                        f"POST {PATH} HTTP/1.1\r\nhost: rondo\r\ntransfer-encoding: chunked\r\n{JSON}\r\n\r\n".encode()
                    )
                    connection.send(request(JSON, body=body) if way == 0 else head + chunked)
                    await connection.reply()
            after = world.counts()
            grown.append({name: value - before.get(name, 0) for name, value in after.items()})
            before = after
        batches = {name: value for name, value in grown[0].items() if "rondo_encode_batch" not in name}
        assert batches == {name: value for name, value in grown[1].items() if "rondo_encode_batch" not in name}
        assert grown[0]['rondo_http_replies_total{path="/v1/sentiment",status="200"}'] == 2
        assert grown[0]['rondo_request_part_seconds_count{part="total",path="/v1/sentiment"}'] == 2

    _run(scenario, suite, max_text_tokens=64)


class _Keys:
    """One key, and what has been noted for it."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        file = KeyFile(folder)
        self.record, self.key = file.create("shop", Allowance(**limits), None, datetime.now(UTC))
        self.ledger = Ledger(UsageBook(folder))
        self.control = AccessControl(Keyring(file), self.ledger)

    @property
    def used(self) -> tuple[int, int]:
        """Requests and characters of today."""
        today = self.ledger.today(self.record.id)
        return today.requests, today.characters


def test_a_key_is_asked_for_and_charged_once(suite: LocalSuite, tmp_path: Path) -> None:
    keys = _Keys(tmp_path, requests_per_day=100, characters_per_day=1000)

    async def scenario(world: World) -> None:
        for header in ("x-strange: 1", "authorization: Bearer nobody's"):
            plain, usual = await world.by_both_ways(JSON, "x-request-id: a", header)
            assert (plain.status, plain.body) == (401, usual.body)
        assert keys.used == (0, 0)
        own = f"authorization: Bearer {keys.key}"
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=_json(text="x" * 100))
        assert keys.used == (2, 200)
        assert [name for name, _ in plain.fields] == [name for name, _ in usual.fields]
        assert plain.headers["ratelimit"].startswith('"requests-per-day";r=99;')
        assert usual.headers["ratelimit"].startswith('"requests-per-day";r=98;')
        usual_before = world.num_usual
        async with world.connection() as connection:
            wrong = await connection.ask(JSON, own, body=b"{")
        assert (wrong.status, world.num_usual) == (400, usual_before + 1)
        assert keys.used == (3, 200)  # although both ways looked at the key
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=_json(text="x" * 1001))
        assert (plain.status, plain.body) == (422, usual.body)
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=_json(text="x" * 900))
        assert (plain.status, plain.body, plain.headers["retry-after"]) == (
            429,
            usual.body,
            usual.headers["retry-after"],
        )
        assert keys.used == (7, 200)

    _run(scenario, suite, access=keys.control)


def test_a_rate_is_kept(suite: LocalSuite, tmp_path: Path) -> None:
    keys = _Keys(tmp_path, requests_per_minute=2)

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            own = f"x-api-key: {keys.key}"
            assert [(await connection.ask(JSON, own)).status for _ in range(4)] == [200, 200, 429, 429]

    _run(scenario, suite, access=keys.control)


def test_a_request_is_in_the_access_log(suite: LocalSuite, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    keys = _Keys(tmp_path)

    async def scenario(world: World) -> None:
        await world.by_both_ways(JSON, "x-request-id: mine-1", f"x-api-key: {keys.key}")

    with caplog.at_level(logging.INFO, "rondo.access"):
        _run(scenario, suite, access=keys.control, access_log="text")
    plain, usual = [record.__dict__["fields"] for record in caplog.records if record.name == "rondo.access"]
    assert plain.pop("milliseconds") >= 0
    assert usual.pop("milliseconds") >= 0
    assert plain == usual
    assert (plain["status"], plain["key"]) == (200, f"shop/{keys.record.id}")


def test_where_spans_are_made_all_goes_the_usual_way(suite: LocalSuite) -> None:
    exporter = InMemorySpanExporter()

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            assert (await connection.ask(JSON)).status == 200
        assert world.num_usual == 1

    _run(scenario, suite, telemetry=Telemetry(SimpleSpanProcessor(exporter)))
    assert exporter.get_finished_spans()[-1].name == f"POST {PATH}"


@pytest.mark.parametrize("cut", [1, len(BODY)])
def test_a_body_may_come_later(suite: LocalSuite, cut: int) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON)[:-cut])
            await asyncio.sleep(0.02)
            connection.send(BODY[-cut:])
            assert (await connection.reply()).status == 200
            assert (await connection.ask(JSON)).status == 200
        assert world.num_usual == 0

    _run(scenario, suite)


@contextmanager
def _replies_of_status(world: World, status: int) -> Iterator[Callable[[], float]]:
    name = f'rondo_http_replies_total{{path="{PATH}",status="{status}"}}'
    before = world.counts().get(name, 0)
    yield lambda: world.counts().get(name, 0) - before


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def test_a_client_that_leaves_cancels_its_work(suite: LocalSuite) -> None:
    engine, held = _held(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 499) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON, body=_json(text=["x", "y"])))
                await engine.holding(2)
                connection.close()
                await _until(lambda: all(ticket.cancelled for ticket in engine.tickets))
            await _until(lambda: counted() == 1)
            for ticket in engine.tickets:  # the engine may be ready all the same
                ticket.finish((0.5, 0.5))
            await asyncio.sleep(0.02)
            assert (counted(), world.num_usual, engine.free) == (1, 0, 8)

    _run(scenario, held)


def test_a_client_that_leaves_amid_its_body_is_counted(suite: LocalSuite) -> None:
    engine, held = _held(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 400) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON)[:-3])
                await asyncio.sleep(0.02)
                connection.close()
            await _until(lambda: counted() == 1)  # half a body is no JSON
            assert world.num_usual == 1
            assert (engine.tickets, engine.free) == ([], 8)

    _run(scenario, held)


def test_replies_come_in_the_order_of_requests_that_came_together(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(b"".join(request(JSON, f"x-request-id: {number}") for number in range(3)))
            assert [(await connection.reply()).headers["x-request-id"] for _ in range(3)] == ["0", "1", "2"]
            connection.send(request(JSON, body=b"{") + request(JSON))
            assert [(await connection.reply()).status for _ in range(2)] == [400, 200]

    _run(scenario, suite)


def test_what_is_no_http_ends_the_visit(suite: LocalSuite) -> None:
    engine, held = _held(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 499) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON))
                await engine.holding(1)
                connection.send(b"\0\r\n\r\n")
                assert (await connection.reply()).status == 400
                assert await connection.is_closed()
            await _until(lambda: counted() == 1)
            assert engine.tickets[0].cancelled

    _run(scenario, held)


def test_a_server_that_stops_answers_first(suite: LocalSuite) -> None:
    engine, held = _held(suite)

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON))
            await engine.holding(1)
            world.server.should_exit = True
            await asyncio.sleep(0.3)
            engine.tickets[0].finish((0.5, 0.5))
            reply = await connection.reply()
            assert (reply.status, reply.fields[-1]) == (200, ("connection", "close"))
            assert await connection.is_closed()

    _run(scenario, held)


@pytest.mark.parametrize(("body", "status"), [(BODY, 200), (b'{"text": "The boat"', 400)])
def test_a_server_that_stops_waits_for_a_body(suite: LocalSuite, body: bytes, status: int) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON, body=body)[:-3])
            await asyncio.sleep(0.02)
            world.server.should_exit = True
            await asyncio.sleep(0.3)
            connection.send(body[-3:])
            reply = await connection.reply()
            assert (reply.status, reply.fields[-1]) == (status, ("connection", "close"))
            assert await connection.is_closed()

    _run(scenario, suite)


def test_more_than_pass_in_a_round_are_all_answered(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        async def ask() -> int:
            async with world.connection() as connection:
                return (await connection.ask(JSON)).status

        assert set(await asyncio.gather(*(ask() for _ in range(60)))) == {200}
        assert world.num_usual == 0

    _run(scenario, suite)
