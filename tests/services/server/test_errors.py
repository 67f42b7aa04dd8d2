"""Every error of the domain has its status and its JSON."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

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
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(suite.sentiment, "work", broken)

    async def ask() -> tuple[int, str]:
        async with connect(suite) as client:
            reply = await client.post("/v1/sentiment", json={"text": "a"})
            return reply.status_code, reply.text

    status, text = asyncio.run(ask())
    assert status == 500
    assert json.loads(text)["error"]["code"] == "internal_error"
    assert "secret" not in text
