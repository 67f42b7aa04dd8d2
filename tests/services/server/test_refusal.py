"""Refusals that were prepared beforehand say what the others say, and leave the connection in order."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from starlette.types import Message

from rondo_services.errors import Overloaded
from rondo_services.server.errors import failure_of
from rondo_services.server.refusal import body_may_be_dropped, refusal, refusal_bytes, refuse
from rondo_services.server.shapes import Failure, failure_reply, native_shape

Headers = list[tuple[bytes, bytes]]


def _refused(headers: Headers, chunks: Sequence[bytes], http_version: str = "1.1") -> tuple[list[Message], int]:
    """What is sent to a request with these chunks, and how many of them were taken."""
    sent: list[Message] = []
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "http_version": http_version, "headers": headers}
    asyncio.run(refuse(Overloaded("full", retry_after_s=7), native_shape, scope, receive, send))
    return sent, taken


def test_the_reply_is_that_of_the_error() -> None:
    error = Overloaded("the queue is full; try again later", retry_after_s=7)
    usual = failure_reply(failure_of(error), native_shape)
    status, headers, body = refusal(7, native_shape)
    assert status == 429
    assert (sorted(headers), body) == (sorted(usual.raw_headers), usual.body)
    assert json.loads(body)["error"]["code"] == "overloaded"


def test_the_shape_decides_on_status_and_body() -> None:
    def shape(failure: Failure) -> tuple[int, dict[str, str]]:
        return 503, {"oh": failure.code}

    status, headers, body = refusal(7, shape)
    assert (status, json.loads(body)) == (503, {"oh": "overloaded"})
    assert (b"retry-after", b"7") in headers
    assert refusal_bytes(7, shape, [], b"my-id").startswith(b"HTTP/1.1 503 ")


def test_a_small_body_is_left_to_the_server() -> None:
    sent, taken = _refused([(b"content-length", b"5")], [b"12", b"345"])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[1].get("more_body", False)
    assert taken == 0
    assert (b"retry-after", b"7") in sent[0]["headers"]
    assert b"connection" not in dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("headers", "http_version"),
    [
        ([(b"content-length", b"65537")], "1.1"),
        ([(b"transfer-encoding", b"chunked")], "1.1"),
        ([(b"content-length", b"5"), (b"expect", b"100-continue")], "1.1"),
        ([(b"content-length", b"5"), (b"connection", b"Close")], "1.1"),
        ([(b"content-length", b"5"), (b"connection", b"keep-alive")], "1.0"),
        ([(b"content-length", b"many")], "1.1"),
    ],
)
def test_what_is_closed_is_read_to_the_end_before(headers: Headers, http_version: str) -> None:
    sent, taken = _refused(headers, [b"12", b"345"], http_version)
    assert not body_may_be_dropped(http_version, headers)
    assert (b"connection", b"close") in sent[0]["headers"]
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    assert taken == 2


def test_the_whole_reply_in_bytes() -> None:
    head, _, body = refusal_bytes(7, native_shape, [(b"date", b"today"), (b"server", b"uvicorn")], b"my-id").partition(
        b"\r\n\r\n"
    )
    status, *lines = head.split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines)
    _, headers, usual_body = refusal(7, native_shape)
    assert status == b"HTTP/1.1 429 Too Many Requests"
    assert body == usual_body
    others = {b"date": b"today", b"server": b"uvicorn", b"x-request-id": b"my-id", b"x-total-time": b"0.0"}
    assert fields == {**dict(headers), **others}
    assert b"date: tomorrow\r\n" in refusal_bytes(7, native_shape, [(b"date", b"tomorrow")], b"my-id")
