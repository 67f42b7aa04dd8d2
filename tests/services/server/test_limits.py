"""Bodies and requests that are too large."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from rondo_services.engine.requests import Classify, Explain
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import InvalidInput
from rondo_services.server.limits import BodyLimit, check_size
from rondo_services.server.shapes import ErrorShapes


async def _reader(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers with its length."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def _forgiving(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 400 to whatever goes wrong, as FastAPI does with a body that it can't read."""
    try:
        await _reader(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"bad"})


async def _hasty(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins to answer before it reads."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await receive()
    await receive()
    raise AssertionError("the body was not cut")


def _ask(app: BodyLimit, chunks: Sequence[bytes], declared: bytes | None = None) -> tuple[list[Message], list[int]]:
    """What is sent for a request with these chunks, and how many of them had been taken before each message."""
    sent: list[Message] = []
    taken_before: list[int] = []
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)
        taken_before.append(taken)

    headers = [] if declared is None else [(b"content-length", declared)]
    asyncio.run(app({"type": "http", "path": "/", "headers": headers}, receive, send))
    return sent, taken_before


def test_a_body_within_the_limit_passes() -> None:
    sent, _ = _ask(BodyLimit(_reader, 10, ErrorShapes()), [b"12345", b"67890"], b"10")
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"10"


def test_an_empty_body_passes() -> None:
    sent, _ = _ask(BodyLimit(_reader, 1, ErrorShapes()), [b""])
    assert sent[1]["body"] == b"0"


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    sent, taken = _ask(BodyLimit(_reader, 10, ErrorShapes()), [b"x" * 11], b"11")
    assert taken == [0, 0, 1]  # what is left is only taken so that the connection is not reset
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"body_too_large" in sent[1]["body"]


@pytest.mark.parametrize("declared", [None, b"5", b"", b"eleven", b"-1"])
@pytest.mark.parametrize("app", [_reader, _forgiving])
def test_a_body_that_grows_over_the_limit_is_refused_as_soon_as_it_does(app: object, declared: bytes | None) -> None:
    """A framework that answers 400 to a body it could not read once hid the 413."""
    sent, taken = _ask(BodyLimit(app, 10, ErrorShapes()), [b"123456"] * 5, declared)  # type: ignore[arg-type]
    assert taken == [2, 2, 5]
    assert [message.get("status") for message in sent] == [413, None, None]
    assert [message.get("more_body", False) for message in sent] == [False, True, False]


def test_a_reply_that_has_begun_is_not_begun_again() -> None:
    sent, _ = _ask(BodyLimit(_hasty, 10, ErrorShapes()), [b"123456"] * 5)
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_what_is_no_http_passes() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    asyncio.run(BodyLimit(app, 10, ErrorShapes())({"type": "lifespan"}, receive, send))
    assert seen == [{"type": "lifespan"}]


LIMITS = Limits(max_waiting=3, max_waiting_tokens=20)


@pytest.mark.parametrize("sizes", [[], [1], [10], [5, 5, 10]])
def test_requests_that_fit_pass(sizes: list[int]) -> None:
    check_size([Classify("sentiment", (4,) * size) for size in sizes], 10, LIMITS, "text")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [([11], "11 tokens in one piece"), ([1] * 4, "4 sentences or texts"), ([7, 7, 7], "21 tokens together")],
)
def test_requests_that_could_never_be_queued_are_invalid(sizes: list[int], message: str) -> None:
    """They were once answered 429 with the advice to come back, however empty the queue was."""
    with pytest.raises(InvalidInput, match=message) as caught:
        check_size([Classify("sentiment", (4,) * size) for size in sizes], 10, LIMITS, "text")
    assert caught.value.field == "text"


def test_texts_to_explain_count_as_often_as_they_are_read() -> None:
    works = [Explain("sentiment", (4,) * 5)] * 2
    check_size(works[:1], 10, LIMITS, "text")
    check_size(works, 10, Limits(max_waiting_tokens=330), "text")
    with pytest.raises(InvalidInput, match=r"330 tokens together \(10, read 33 times to be explained\); at most 329"):
        check_size(works, 10, Limits(max_waiting_tokens=329), "text")


@pytest.mark.parametrize(
    ("path", "kind", "is_taken"),
    [
        ("/upload", b"multipart/form-data; boundary=x", True),
        ("/upload", b"Multipart/Form-Data", True),
        ("/upload", b"application/json", False),
        ("/upload", None, False),
        ("/other", b"multipart/form-data; boundary=x", False),
    ],
)
def test_forms_to_some_paths_have_another_limit(path: str, kind: bytes | None, is_taken: bool) -> None:
    app = BodyLimit(_reader, 10, ErrorShapes(), {"/upload": 20})
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 15, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if kind is None else [(b"content-type", kind)]
    asyncio.run(app({"type": "http", "path": path, "headers": headers}, receive, send))
    assert sent[0]["status"] == (200 if is_taken else 413)
