"""Every error of the domain has its status and its JSON."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from rondo_services.errors import Cancelled, EngineFailed, InvalidInput, NotServed, Overloaded, RondoError, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.server.errors import DOCUMENTED, STATUS, rondo_error_reply

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _all_kinds(kind: type[RondoError]) -> set[type[RondoError]]:
    return {kind}.union(*(_all_kinds(child) for child in kind.__subclasses__()))


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == _all_kinds(RondoError) - {RondoError}


def test_the_statuses_that_a_client_sees_are_documented() -> None:
    assert set(STATUS.values()) - {499} <= set(DOCUMENTED)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInput("m", field="text"), 422, "invalid_input"),
        (NotServed("m", field="source"), 422, "not_served"),
        (Overloaded("m", retry_after_s=7), 429, "overloaded"),
        (Cancelled("m"), 499, "cancelled"),
        (TimedOut("m"), 504, "timed_out"),
        (EngineFailed("m"), 503, "engine_failed"),
    ],
)
def test_replies(error: RondoError, status: int, code: str) -> None:
    reply = rondo_error_reply(error)
    assert reply.status_code == status
    assert json.loads(bytes(reply.body)) == {"error": {"code": code, "message": "m", "field": error.field}}
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)


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
