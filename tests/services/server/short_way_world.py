"""A server with a real app over an engine that can be held, for the tests of the short way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import uvicorn
from prometheus_client import generate_latest
from starlette.types import Receive, Scope, Send
from tests.services.server.places_only import PlacesOnly
from tests.services.server.wire import BODY, Connection, Reply, connected

from rondo_services.access.control import AccessControl
from rondo_services.engine.requests import Ticket, Work
from rondo_services.errors import RondoError
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


def assert_same(plain: Reply, usual: Reply, *, made_ids: bool = False) -> None:
    """To the byte, but for times."""
    changing = CHANGING | ({"x-request-id"} if made_ids else set())
    assert (plain.status, plain.body, plain.chunks) == (usual.status, usual.body, usual.chunks)
    assert [name for name, _ in plain.fields] == [name for name, _ in usual.fields]
    assert {name: value for name, value in plain.fields if name not in changing} == {
        name: value for name, value in usual.fields if name not in changing
    }


class HeldEngine(PlacesOnly):
    """Answers nothing by itself."""

    def __init__(self, free: int = 8) -> None:
        super().__init__(free)
        self.tickets: list[Ticket] = []
        self.refusal: RondoError | None = None

    def submit_all(self, works: Sequence[Work], *args: Any, **options: Any) -> list[Ticket]:
        if self.refusal is not None:
            raise self.refusal
        listeners = options.get("on_token") or [None] * len(works)
        tickets = [Ticket(work, on_token=own) for work, own in zip(works, listeners, strict=True)]
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

    async def by_both_ways(self, *headers: str, body: bytes = BODY, path: str = PATH) -> tuple[Reply, Reply]:
        """The reply to a request, and to the same one in a form that is not plain."""
        async with self.connection() as connection:
            plain = await connection.ask(*headers, body=body, path=path)
            lines = [f"POST {path} HTTP/1.1", "host: rondo", "transfer-encoding: chunked", *headers]
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
async def served(
    suite: Suite, access: AccessControl | None = None, telemetry: Telemetry | None = None, **settings: Any
) -> AsyncIterator[World]:
    """A world over the suite, while it lasts."""
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


def run(scenario: Scenario, suite: Suite, **options: Any) -> None:
    """Have it happen in a world over the suite."""

    async def whole() -> None:
        async with served(suite, **options) as world:
            await scenario(world)

    asyncio.run(whole())


def over_held_engine(suite: LocalSuite, free: int = 8) -> tuple[HeldEngine, Suite]:
    """An engine that holds what it is given, and the suite over it."""
    engine = HeldEngine(free)
    return engine, replace(suite, engine=engine)


def json_of(**fields: Any) -> bytes:
    """A body."""
    return json.dumps(fields, ensure_ascii=False).encode()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
