"""What is asked again, after how long, and what never is."""

import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from tests.services.client.conftest import Asker, Handler

from rondo_services.client import ConnectionFailed, ServerError
from rondo_services.errors import EngineFailed, EngineRestarted, InvalidInput, LimitReached, Overloaded, TimedOut

POSITIVE = {"label": "positive", "score": 0.9, "scores": {"positive": 0.9}, "language": "en"}
ANSWER = {"model": "m", "results": [POSITIVE]}


def _answered(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=ANSWER)


def _refused(status: int, code: str, retry_after: str | None = None, field: str | None = None) -> Handler:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = {"error": {"code": code, "message": "why", "field": field}}
    return lambda _: httpx.Response(status, json=body, headers=headers)


def _failing(error: type[httpx.TransportError]) -> Handler:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("away", request=request)

    return fail


class _Turns:
    """Answers each request with the next handler; `asked` are the bodies."""

    def __init__(self, *handlers: Handler) -> None:
        self._handlers = iter(handlers)
        self.asked: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.content)
        return next(self._handlers)(request)


class _Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The beginning of a reply."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning

    def __iter__(self) -> Iterator[bytes]:
        yield self._beginning
        raise httpx.ReadError("away")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._beginning
        raise httpx.ReadError("away")


def test_after_a_refusal_the_client_waits_as_long_as_it_was_told(asker: Asker) -> None:
    turns = _Turns(_refused(429, "overloaded", "3"), _refused(503, "engine_restarted", "0"), _answered)
    assert asker.ask(turns, "sentiment", "good").label == "positive"
    assert asker.pauses == [3, 0]
    assert turns.asked == [b'{"text": "good"}'] * 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(429, "overloaded", Overloaded), (429, "limit_reached", LimitReached), (503, "engine_restarted", EngineRestarted)],
)
def test_when_all_attempts_are_used_up_the_refusal_is_raised(
    asker: Asker, status: int, code: str, kind: type[Exception]
) -> None:
    turns = _Turns(*[_refused(status, code, "1")] * 3)
    with pytest.raises(kind, match="why"):
        asker.ask(turns, "sentiment", "good")
    assert asker.pauses == [1, 1]


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (_refused(503, "engine_failed"), EngineFailed),
        (_refused(429, "limit_reached", "86400"), LimitReached),
        (_refused(422, "invalid_input", "1", "text"), InvalidInput),
        (_refused(500, "internal_error", "1"), ServerError),
        (lambda _: httpx.Response(302, headers={"Location": "/"}), ServerError),
        (_failing(httpx.ReadTimeout), TimedOut),
        (_failing(httpx.UnsupportedProtocol), ConnectionFailed),
    ],
)
def test_what_would_not_help_is_not_done(asker: Asker, handler: Handler, kind: type[Exception]) -> None:
    turns = _Turns(handler)
    with pytest.raises(kind):
        asker.ask(turns, "sentiment", "good")
    assert (len(turns.asked), asker.pauses) == (1, [])


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError]
)
def test_a_request_that_nothing_answered_is_sent_again(asker: Asker, error: type[httpx.TransportError]) -> None:
    turns = _Turns(_failing(error), _failing(error), _answered)
    assert asker.ask(turns, "sentiment", "good").label == "positive"
    assert asker.pauses == [0.25, 0.5]


def test_without_retries_the_first_failure_is_raised(asker: Asker) -> None:
    with pytest.raises(ConnectionFailed, match=r"http://rondo\.test/v1/sentiment: away"):
        asker.ask(_Turns(_failing(httpx.ConnectError)), "sentiment", "good", settings={"retries": 0})
    assert asker.pauses == []


@pytest.mark.parametrize("status", [200, 429])
def test_a_reply_that_broke_off_is_not_asked_for_again(asker: Asker, status: int) -> None:
    turns = _Turns(lambda _: httpx.Response(status, stream=_Breaking(b'{"model"')))
    with pytest.raises(ConnectionFailed, match="away"):
        asker.ask(turns, "sentiment", "good")
    assert (len(turns.asked), asker.pauses) == (1, [])


@pytest.mark.parametrize("operation", ["sentiment", "generate_stream"])
def test_a_reply_that_can_not_be_unpacked_broke_off(asker: Asker, operation: str) -> None:
    """The transport's own error came through once."""
    turns = _Turns(lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=_Breaking(b"no gzip")))
    with pytest.raises(ConnectionFailed):
        asker.ask(turns, operation, "good")


def test_a_stream_that_broke_off_is_not_asked_for_again(asker: Asker) -> None:
    turns = _Turns(lambda _: httpx.Response(200, stream=_Breaking(b'data: {"index":0,"text":"a"}\n\n')))
    with pytest.raises(ConnectionFailed, match="away"):
        asker.ask(turns, "generate_stream", "good")
    assert (len(turns.asked), asker.pauses) == (1, [])


def test_a_stream_that_ended_too_early_broke_off(asker: Asker) -> None:
    turns = _Turns(lambda _: httpx.Response(200, content=b'data: {"index":0,"text":"a"}\n\n'))
    with pytest.raises(ConnectionFailed, match="broke off"):
        asker.ask(turns, "generate_stream", "good")


def test_a_stream_is_asked_for_again_before_it_began(asker: Asker) -> None:
    stream = b'data: {"index":0,"text":"a"}\n\ndata: [DONE]\n\n'
    turns = _Turns(_refused(429, "overloaded", "2"), lambda _: httpx.Response(200, content=stream))
    assert [piece.text for piece in asker.ask(turns, "generate_stream", "good")] == ["a"]
    assert asker.pauses == [2]
    assert json.loads(turns.asked[0]) == {"prompt": "good", "stream": True}


def _limited(most: int) -> Callable[[httpx.Request], httpx.Response]:
    """A server that takes so many texts, none of them longer than four characters."""

    def answer(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["text"]
        if len(texts) > most or max(map(len, texts)) > 4:
            return _refused(422, "invalid_input", field="text")(request)
        results = [{**POSITIVE, "label": text} for text in texts]
        return httpx.Response(200, json={"model": "m", "results": results})

    return answer


def test_texts_that_are_too_much_together_go_in_smaller_parts(asker: Asker) -> None:
    texts = [str(number) for number in range(700)]
    assert [result.label for result in asker.ask(_limited(100), "sentiment", texts)] == texts


def test_the_text_that_is_too_long_is_found(asker: Asker) -> None:
    texts = [str(number) for number in range(700)]
    texts[431] = "too long"
    with pytest.raises(InvalidInput) as caught:
        asker.ask(_limited(256), "sentiment", texts)
    assert caught.value.field == "text.431"
