"""Requests of batches, answered by an app like the server's own."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite
from rondo_services.server.jobs.answering import RequestAnswerer
from rondo_services.server.jobs.requests import RequestReply
from rondo_services.server.settings import ServerSettings


def _reply(suite: LocalSuite, endpoint: str, settings: ServerSettings | None = None, **body: Any) -> RequestReply:
    async def ask() -> RequestReply:
        return await RequestAnswerer(suite, settings or ServerSettings()).answer(endpoint, json.dumps(body).encode())

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/completions", {"model": "generation", "prompt": "The boat", "max_tokens": 2}),
        ("/v1/generate", {"prompt": "The boat", "max_tokens": 2}),
        ("/v1/sentiment", {"text": "The boat."}),
        ("/v1/summarize", {"text": "The boat is late."}),
        ("/v1/translate", {"text": "The boat.", "source": "en", "target": "de"}),
    ],
)
def test_each_service_answers_with_an_id(suite: LocalSuite, endpoint: str, body: dict[str, Any]) -> None:
    reply = _reply(suite, endpoint, **body)
    assert reply.status == 200, reply.body
    assert len(reply.request_id) == 32


@pytest.mark.parametrize(
    ("endpoint", "place"), [("/v1/completions", ("error", "param")), ("/v1/generate", ("error", "field"))]
)
def test_streams_are_refused_in_the_shape_of_the_protocol(
    suite: LocalSuite, endpoint: str, place: tuple[str, str]
) -> None:
    reply = _reply(suite, endpoint, model="generation", prompt="The", stream=True)
    assert reply.status in (400, 422)
    assert reply.body[place[0]][place[1]] == "stream"


def test_the_limits_of_a_body_hold_for_each_request(suite: LocalSuite) -> None:
    small = ServerSettings(max_body_bytes=100, max_json_depth=3)
    assert _reply(suite, "/v1/sentiment", small, text="x" * 200).status == 413
    assert _reply(suite, "/v1/sentiment", small, text=[[[["x"]]]]).status == 400
    assert _reply(suite, "/v1/sentiment", small, text="x").status == 200


def test_a_full_queue_says_when_to_come_again(make_suite: Callable[..., LocalSuite]) -> None:
    suite = make_suite(Limits(max_waiting=1))
    with suite.engine.places(1):
        reply = _reply(suite, "/v1/sentiment", text="x")
    assert reply.status == 429
    assert reply.retry_after_s >= 1


def test_a_fault_of_ours_is_a_reply_like_others(suite: LocalSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It once failed the whole batch."""

    def broken(text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(suite.sentiment, "work", broken)
    reply = _reply(suite, "/v1/sentiment", text="a")
    assert (reply.status, reply.body["error"]["code"]) == (500, "internal_error")
    assert len(reply.request_id) == 32
