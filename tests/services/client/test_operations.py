"""How lists become requests, and events become pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.client.errors import ConnectionFailed, ServerError
from rondo_services.client.operations import GENERATE, SENTIMENT, TRANSLATE, Events, Part, parsed
from rondo_services.errors import EngineFailed, InvalidInput, Overloaded
from rondo_services.schema import LONGEST_TEXT, MOST_TEXTS
from rondo_services.sentiment.schema import SentimentReply
from rondo_services.translation.schema import TranslateRequest


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=600))
def test_parts_are_the_list_in_its_order_and_fit(lengths: list[int]) -> None:
    texts = ["a" * length for length in lengths]
    parts = SENTIMENT.parts(SENTIMENT.body(texts, {"language": "en"}))
    assert [text for part in parts for text in part.body["text"]] == texts
    first = 0
    for part in parts:
        own = part.body["text"]
        assert part.body["language"] == "en"
        assert part.first == first
        assert 1 <= len(own) <= MOST_TEXTS
        assert len(own) == 1 or sum(map(len, own)) <= 20_000
        first += len(own)


def test_what_was_not_given_is_left_to_the_server() -> None:
    assert TRANSLATE.body(["a"], {"target": "de"}) == {"text": ["a"], "target": "de"}
    assert TRANSLATE.body(TranslateRequest(text="a", target="de"), {}) == {"text": "a", "target": "de"}


def test_options_beside_a_request_are_refused() -> None:
    with pytest.raises(TypeError, match="beam_size: set this in the TranslateRequest"):
        TRANSLATE.body(TranslateRequest(text="a", target="de"), {"beam_size": 1})


def test_a_text_that_is_too_long_for_any_request_is_refused_with_its_number() -> None:
    long = "a" * (LONGEST_TEXT + 1)
    with pytest.raises(InvalidInput) as caught:
        SENTIMENT.parts({"text": ["a", long]})
    assert caught.value.field == "text.1"
    with pytest.raises(InvalidInput) as caught:
        SENTIMENT.parts({"text": long})
    assert caught.value.field == "text"


def test_an_empty_list_is_left_to_the_server() -> None:
    assert SENTIMENT.parts({"text": []}) == [Part({"text": []})]


def test_a_refused_part_is_halved_with_its_places_and_its_random_numbers() -> None:
    part = Part({"prompt": list("abcde"), "seed": 7}, first=256)
    refused = InvalidInput("prompt: 2000 tokens together; at most 1000", field="prompt")
    assert GENERATE.halves(part, refused) == [
        Part({"prompt": ["a", "b"], "seed": 7}, 256),
        Part({"prompt": ["c", "d", "e"], "seed": 9}, 258),
    ]


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        (["a"], InvalidInput("text: too long", field="text")),
        ("ab", InvalidInput("text: too long", field="text")),
        (["a", "b"], InvalidInput("text.1: too long", field="text.1")),
        (["a", "b"], InvalidInput("language: unknown", field="language")),
        (["a", "b"], Overloaded("later", retry_after_s=1)),
        (["a", "b"], EngineFailed("broke", field="text")),
    ],
)
def test_other_refusals_are_final(texts: Any, error: Any) -> None:
    assert SENTIMENT.halves(Part({"text": texts}), error) == []


@pytest.mark.parametrize(
    ("texts", "field", "located"),
    [
        (["a", "b", "c"], "text.2", "text.258"),
        (["a"], "text", "text.256"),
        (["a", "b"], "text", "text"),
        ("a", "text", "text"),
        (["a"], "language", "language"),
    ],
)
def test_an_error_names_the_place_in_the_whole_list(texts: Any, field: str, located: str) -> None:
    error = SENTIMENT.located(InvalidInput(f"{field}: wrong", field=field), Part({"text": texts}, 256))
    assert (error.field, str(error), error.message) == (located, f"{located}: wrong", f"{located}: wrong")


def test_a_newer_servers_reply_is_understood_and_none_of_ours_is_not() -> None:
    result = b'{"label": "positive", "score": 1, "scores": {}, "language": "en", "new": 1}'
    reply = parsed(SentimentReply, b'{"model": "m", "results": [' + result + b'], "new": 1}')
    assert reply.results[0].label == "positive"
    with pytest.raises(ServerError, match="is no SentimentReply; does a Rondo server answer there"):
        parsed(SentimentReply, b"<html>")


STREAM = (
    'data: {"index":0,"text":"a\u2028b\u0085배"}\r\n\r\n: a comment\n\ndata: {"index":0,"text":""}\n\ndata: [DONE]\n\n'
)


@pytest.mark.parametrize("portion", [1, 2, 7, 1000])
def test_events_are_read_in_any_portions(portion: int) -> None:
    """Separators within a text were taken for ends of lines once."""
    content = STREAM.encode()
    events = Events()
    portions = [content[begin : begin + portion] for begin in range(0, len(content), portion)]
    assert [piece.text for part in portions for piece in events.pieces(part)] == ["a\u2028b\u0085배", ""]
    events.end()


def test_what_came_before_an_error_is_handed_out() -> None:
    broken = (
        b'data: {"index":0,"text":"a"}\n\ndata: {"error": {"code": "engine_failed", "message": "x", "field": null}}\n\n'
    )
    pieces = Events().pieces(broken)
    assert next(pieces).text == "a"
    with pytest.raises(EngineFailed, match="x"):
        next(pieces)


def test_a_stream_without_its_end_broke_off() -> None:
    events = Events()
    assert len(list(events.pieces(b'data: {"index":0,"text":"a"}\n\n'))) == 1
    with pytest.raises(ConnectionFailed, match="broke off"):
        events.end()
