"""Deadlines, priorities and ids by header, and what the reply says of time."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from rondo_services.local import LocalSuite

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
TEXT = {"text": "The boat is slow."}


def _post(suite: LocalSuite, connect: Connect, headers: dict[str, str], path: str = "/v1/sentiment") -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post(path, json=TEXT, headers=headers)

    return asyncio.run(ask())


def test_a_reply_says_how_long_each_part_took(suite: LocalSuite, connect: Connect) -> None:
    headers = _post(suite, connect, {}).headers
    queue, inference, total = (float(headers[f"x-{name}-time"]) for name in ("queue", "inference", "total"))
    assert 0 <= queue <= total
    assert 0 < inference <= total


def test_an_error_has_an_id_and_a_time_too(suite: LocalSuite, connect: Connect) -> None:
    reply = _post(suite, connect, {"x-request-id": "mine-1"}, "/v1/poetry")
    assert reply.status_code == 404
    assert reply.headers["x-request-id"] == "mine-1"
    assert float(reply.headers["x-total-time"]) >= 0
    assert "x-inference-time" not in reply.headers


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "<script>"])
def test_an_id_is_made_where_none_is_usable(suite: LocalSuite, connect: Connect, given: str | None) -> None:
    reply = _post(suite, connect, {} if given is None else {"x-request-id": given})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "60001", "", "1e3", "9" * 5000])
def test_an_impossible_deadline_is_refused(suite: LocalSuite, connect: Connect, value: str) -> None:
    reply = _post(suite, connect, {"x-request-timeout-ms": value})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["field"] == "X-Request-Timeout-Ms"
    assert error["message"] == "X-Request-Timeout-Ms must be a whole number from 1 to 60000"


def test_an_unknown_priority_is_refused(suite: LocalSuite, connect: Connect) -> None:
    error = _post(suite, connect, {"x-priority": "urgent"}).json()["error"]
    assert (error["code"], error["message"]) == ("invalid_input", "X-Priority must be interactive or batch")


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_both_priorities_are_answered(suite: LocalSuite, connect: Connect, priority: str) -> None:
    assert _post(suite, connect, {"x-priority": priority}).status_code == 200
