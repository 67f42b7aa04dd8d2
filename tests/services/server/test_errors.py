"""Every error of the domain has its status and its JSON."""

import asyncio
import gzip
import json
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from rondo_services.errors import (
    Cancelled,
    EngineFailed,
    InvalidInput,
    NotAllowed,
    NotServed,
    Overloaded,
    RondoError,
    TimedOut,
    TooLarge,
    UnknownModel,
    UnknownObject,
    WrongState,
)
from rondo_services.jobs.errors import JobStoreError
from rondo_services.local import LocalSuite
from rondo_services.server.errors import DOCUMENTED, STATUS, failure_of
from rondo_services.server.faults import Faults
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.shapes import ErrorShapes, Failure, failure_reply, native_shape

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _all_kinds(kind: type[RondoError]) -> set[type[RondoError]]:
    """Those of the domain: the client has others of its own."""
    children = (child for child in kind.__subclasses__() if child.__module__ == RondoError.__module__)
    return {kind}.union(*(_all_kinds(child) for child in children))


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == _all_kinds(RondoError) - {RondoError} | {JobStoreError}


def test_the_statuses_that_a_client_sees_are_documented() -> None:
    elsewhere = (Cancelled, UnknownObject, WrongState, NotAllowed)  # or with what can have them
    seen = {status for error, status in STATUS.items() if error not in elsewhere}
    assert seen <= set(DOCUMENTED)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInput("m", field="text"), 422, "invalid_input"),
        (NotServed("m", field="source"), 422, "not_served"),
        (UnknownModel("m", field="model"), 404, "model_not_found"),
        (Overloaded("m", retry_after_s=7), 429, "overloaded"),
        (Cancelled("m"), 499, "cancelled"),
        (TimedOut("m"), 504, "timed_out"),
        (EngineFailed("m"), 503, "engine_failed"),
        (UnknownObject("m", field="id"), 404, "no_such_object"),
        (WrongState("m", field="id"), 409, "wrong_state"),
        (TooLarge("m", field="file"), 413, "file_too_large"),
    ],
)
def test_replies(error: RondoError, status: int, code: str) -> None:
    reply = failure_reply(failure_of(error), native_shape)
    assert reply.status_code == status
    assert json.loads(bytes(reply.body)) == {"error": {"code": code, "message": "m", "field": error.field}}
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)


def test_the_longest_beginning_of_a_path_decides_on_the_shape() -> None:
    def of_a(failure: Failure) -> tuple[int, dict[str, str]]:
        return 418, {"a": failure.message}

    def of_ab(failure: Failure) -> tuple[int, dict[str, str]]:
        return 400, {"ab": failure.message}

    shapes = ErrorShapes({"/a": of_a, "/a/b": of_ab})
    chosen = {path: shapes.of(path) for path in ("/a", "/a/", "/a/c", "/ab", "/a/b", "/a/b/c", "/a/bc", "/")}
    assert chosen == {
        "/a": of_a,
        "/a/": of_a,
        "/a/c": of_a,
        "/ab": native_shape,
        "/a/b": of_ab,
        "/a/b/c": of_ab,
        "/a/bc": of_a,
        "/": native_shape,
    }


def test_an_error_of_ours_tells_nothing_of_itself(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(suite.sentiment, "work", broken)

    metrics = ServerMetrics()

    async def ask() -> httpx.Response:
        async with connect(suite, metrics=metrics) as client:
            return await client.post("/v1/sentiment", json={"text": "a"}, headers={"X-Request-Id": "seven"})

    with caplog.at_level(logging.ERROR):
        reply = asyncio.run(ask())
    assert reply.status_code == 500
    assert json.loads(reply.text)["error"]["code"] == "internal_error"
    assert "secret" not in reply.text
    assert "secret" in caplog.text  # the log has the traceback
    assert reply.headers["x-request-id"] == "seven"
    assert "content-security-policy" in reply.headers
    counted = metrics.registry.get_sample_value("rondo_http_replies_total", {"path": "/v1/sentiment", "status": "500"})
    assert counted == 1


def test_a_fault_in_a_reply_that_has_begun_breaks_it_off() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Faults(app, ErrorShapes())({"type": "http", "path": "/"}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize(
    ("content", "headers", "told"),
    [
        ('{"text": "Über"}'.encode("latin-1"), {}, "the body is not UTF-8, at byte 10; send JSON in UTF-8"),
        (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, "Content-Encoding 'gzip' is not known here"),
        (b'{"text": %b}' % (b"9" * 5000), {}, "the body can't be read: Exceeds the limit"),
    ],
)
def test_a_body_that_cant_be_read_says_why(
    suite: LocalSuite, connect: Connect, content: bytes, headers: dict[str, str], told: str
) -> None:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post(
                "/v1/sentiment", content=content, headers={"Content-Type": "application/json", **headers}
            )

    reply = asyncio.run(ask())
    assert reply.status_code == 400
    assert told in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/sentiment", "/v1/translate", "/v1/summarize", "/v1/generate"])
def test_a_query_is_refused_where_nothing_reads_it(suite: LocalSuite, connect: Connect, path: str) -> None:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post(f"{path}?model=nobody", json={})

    reply = asyncio.run(ask())
    assert reply.status_code == 422
    assert "the query string is not read here" in reply.json()["error"]["message"]
