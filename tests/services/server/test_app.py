"""The app in this process over a tiny suite: full queue, deadlines, abandoned requests, health."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from starlette.types import Message

from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.served_bundles import warm_up
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeSuite = Callable[..., LocalSuite]
ENDLESS = {"max_tokens": 300, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/sentiment": {"text": "The boat is slow."},
    "/v1/generate": {"prompt": "The boat", "max_tokens": 4},
    "/v1/summarize": {"text": "The boat is slow.", "max_tokens": 4},
    "/v1/translate": {"text": "The boat is slow.", "source": "en", "target": "de"},
}


class Gate(ServerMetrics):
    """Metrics that keep the engine from going on after its first group until `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.open = threading.Event()

    def encoded(self, requests: int, tokens: int) -> None:
        super().encoded(requests, tokens)
        self.reached.set()
        assert self.open.wait(30)

    def lines(self) -> list[str]:
        """What /metrics would say."""
        return generate_latest(self.registry).decode().splitlines()


class Slow(EngineObserver):
    """Makes the engine pause in its fifth tick."""

    def __init__(self, pause_s: float) -> None:
        super().__init__()
        self.pause_s = pause_s
        self.num_ticks = 0

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        self.num_ticks += 1
        if self.num_ticks == 5:
            time.sleep(self.pause_s)


def test_every_service_answers(suite: LocalSuite, connect: Connect) -> None:
    async def ask() -> list[httpx.Response]:
        async with connect(suite) as client:
            return [await client.post(path, json=body) for path, body in BODIES.items()]

    replies = asyncio.run(ask())
    assert [reply.status_code for reply in replies] == [200] * 4
    assert all(len(reply.json()["results"]) == 1 for reply in replies)


def test_warming_up_takes_one_request_of_each_service(suite: LocalSuite) -> None:
    asyncio.run(warm_up(suite))


@pytest.mark.parametrize("path", BODIES)
def test_a_full_queue_is_answered_429(make_suite: MakeSuite, connect: Connect, path: str) -> None:
    gate = Gate()
    suite = make_suite(Limits(max_waiting=1), gate)

    async def ask() -> tuple[httpx.Response, list[int]]:
        async with connect(suite, metrics=gate) as client:
            running = asyncio.create_task(client.post("/v1/sentiment", json=BODIES["/v1/sentiment"]))
            await asyncio.to_thread(gate.reached.wait)
            waiting = asyncio.create_task(client.post("/v1/sentiment", json=BODIES["/v1/sentiment"]))
            while "rondo_num_requests_waiting 1.0" not in gate.lines():
                await asyncio.sleep(0.001)
            refused = await client.post(path, json=BODIES[path])
            assert "rondo_requests_refused_total 1.0" in gate.lines()
            gate.open.set()
            return refused, [(await running).status_code, (await waiting).status_code]

    refused, others = asyncio.run(ask())
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    assert others == [200, 200]


def test_a_refused_stream_is_answered_429_too(make_suite: MakeSuite, connect: Connect) -> None:
    gate = Gate()
    suite = make_suite(Limits(max_waiting=2), gate)

    async def ask() -> int:
        async with connect(suite) as client:
            running = asyncio.create_task(client.post("/v1/sentiment", json=BODIES["/v1/sentiment"]))
            await asyncio.to_thread(gate.reached.wait)
            waiting = asyncio.create_task(client.post("/v1/sentiment", json={"text": ["a", "b"]}))
            while "rondo_num_requests_waiting 2.0" not in gate.lines():
                await asyncio.sleep(0.001)
            refused = await client.post("/v1/generate", json={**BODIES["/v1/generate"], "stream": True})
            gate.open.set()
            await asyncio.gather(running, waiting)
            return refused.status_code

    assert asyncio.run(ask()) == 429


@pytest.mark.parametrize("path", ["/v1/generate", "/v1/translate"])
def test_an_answer_that_is_late_is_answered_504(make_suite: MakeSuite, connect: Connect, path: str) -> None:
    suite = make_suite(observer=Slow(0.2))
    body = {**BODIES[path], **(ENDLESS if path == "/v1/generate" else {"text": "The boat is slow " * 20})}

    async def ask() -> httpx.Response:
        async with connect(suite, ServerSettings(timeout_s=0.05)) as client:
            return await client.post(path, json=body)

    reply = asyncio.run(ask())
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "timed_out"


def test_a_stream_that_is_late_ends_with_the_error(make_suite: MakeSuite, connect: Connect) -> None:
    suite = make_suite(observer=Slow(0.6))

    async def ask() -> str:
        async with connect(suite, ServerSettings(timeout_s=0.5)) as client:
            return (await client.post("/v1/generate", json={"prompt": "The", **ENDLESS, "stream": True})).text

    *pieces, last = asyncio.run(ask()).strip().split("\n\n")
    assert pieces
    assert last.startswith('data: {"error": {"code": "timed_out"')
    assert "[DONE]" not in last


def test_a_waiting_request_that_is_late_does_not_harm_the_next(make_suite: MakeSuite, connect: Connect) -> None:
    gate = Gate()
    suite = make_suite(observer=gate)

    async def ask() -> list[int]:
        async with connect(suite, ServerSettings(timeout_s=0.1)) as hasty, connect(suite) as patient:
            body = BODIES["/v1/sentiment"]
            running = asyncio.create_task(patient.post("/v1/sentiment", json=body))
            await asyncio.to_thread(gate.reached.wait)
            late = asyncio.create_task(hasty.post("/v1/sentiment", json=body))
            behind = asyncio.create_task(patient.post("/v1/sentiment", json=body))
            await asyncio.sleep(0.2)
            gate.open.set()
            return [(await task).status_code for task in (running, late, behind)]

    assert asyncio.run(ask()) == [200, 504, 200]


@pytest.mark.parametrize("path", BODIES)
def test_a_client_that_leaves_cancels_its_request(make_suite: MakeSuite, path: str) -> None:
    gate = Gate()
    suite = make_suite(observer=gate)
    app = create_app(Fleet.of(suite), ServerSettings(), gate)
    assert suite.sentiment is not None
    first = suite.local_engine.submit(suite.sentiment.work("The boat"))
    gate.reached.wait()

    async def ask() -> list[int]:
        left = asyncio.Event()
        statuses: list[int] = []
        body = httpx.Request("POST", "http://test", json=BODIES[path]).content

        async def messages() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": body, "more_body": False}
            await left.wait()
            while True:
                yield {"type": "http.disconnect"}

        coming = messages()

        async def receive() -> Message:
            return await anext(coming)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        answering = asyncio.create_task(app(scope, receive, send))
        await asyncio.sleep(0.05)
        assert not answering.done()
        left.set()
        await answering
        return statuses

    assert asyncio.run(ask()) == [499]
    gate.open.set()
    first.future.result(10)
    last = suite.local_engine.submit(suite.sentiment.work("The train"))
    last.future.result(10)
    finished = [line for line in gate.lines() if line.startswith("rondo_request_success_total")]
    assert finished == ['rondo_request_success_total{kind="classify"} 2.0']


def test_a_stopped_engine_is_not_ready(suite: LocalSuite, connect: Connect) -> None:
    async def ask() -> list[httpx.Response]:
        async with connect(suite) as client:
            before = await client.get("/health/ready")
            suite.local_engine.close()
            return [before, *[await client.get(path) for path in ("/health/ready", "/health/live")],
                    *[await client.post(path, json=body) for path, body in BODIES.items()]]  # fmt: skip

    before, ready, live, *others = asyncio.run(ask())
    assert (before.status_code, ready.status_code, live.status_code) == (200, 503, 200)
    assert ready.json()["error"]["code"] == "not_ready"
    assert [reply.status_code for reply in others] == [503] * 4
    assert {reply.json()["error"]["code"] for reply in others} == {"engine_failed"}


def test_a_text_over_the_limit_of_tokens_is_refused(suite: LocalSuite, connect: Connect) -> None:
    async def ask(path: str, **body: Any) -> httpx.Response:
        async with connect(suite, ServerSettings(max_text_tokens=40)) as client:
            return await client.post(path, json=body)

    for path, field in (("/v1/sentiment", "text"), ("/v1/generate", "prompt"), ("/v1/translate", "text")):
        options = {"source": "en", "target": "de"} if path == "/v1/translate" else {}
        reply = asyncio.run(ask(path, **{field: "x " * 100}, **options))
        assert (reply.status_code, reply.json()["error"]["field"]) == (422, field)
    reply = asyncio.run(ask("/v1/summarize", text="x " * 100))
    assert reply.status_code == 200
