"""`POST /predict` as text-embeddings-inference has it."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_services.errors import EngineFailed, Overloaded, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
HEADERS = ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time")


def _predict(suite: LocalSuite, connect: Connect, body: Any, **settings: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite, ServerSettings(**settings)) as client:
            return await client.post("/predict", json=body)

    return asyncio.run(ask())


def test_one_text_has_one_list(suite: LocalSuite, connect: Connect) -> None:
    reply = _predict(suite, connect, {"inputs": "The boat is slow."})
    assert reply.status_code == 200, reply.text
    first, second = reply.json()
    assert {first["label"], second["label"]} == {"negative", "positive"}
    assert first["score"] >= second["score"]
    assert first["score"] + second["score"] == pytest.approx(1)
    assert _predict(suite, connect, {"inputs": ["The boat is slow."]}).json() == reply.json()


def test_a_batch_has_a_list_of_lists(suite: LocalSuite, connect: Connect) -> None:
    texts = ["The boat is slow.", "배가 천천히 간다."]
    batch = _predict(suite, connect, {"inputs": [[text] for text in texts]}).json()
    alone = [_predict(suite, connect, {"inputs": text}).json() for text in texts]
    assert [[prediction["label"] for prediction in one] for one in batch] == [
        [prediction["label"] for prediction in one] for one in alone
    ]


def test_the_softmax_of_raw_scores_are_the_scores(suite: LocalSuite, connect: Connect) -> None:
    scores = _predict(suite, connect, {"inputs": "The boat"}).json()
    raw = _predict(suite, connect, {"inputs": "The boat", "raw_scores": True}).json()
    assert [prediction["label"] for prediction in raw] == [prediction["label"] for prediction in scores]
    assert [math.exp(p["score"]) for p in raw] == pytest.approx([p["score"] for p in scores])


def test_headers_are_whole_milliseconds_and_there_once(suite: LocalSuite, connect: Connect) -> None:
    reply = _predict(suite, connect, {"inputs": [["The boat"], ["배가"]]})
    assert reply.headers["x-compute-type"] == "cpu"
    assert reply.headers["x-compute-characters"] == "10"
    tokens = sum(len(suite.tokenizer.encode(text)) + 1 for text in ("The boat", "배가"))
    assert reply.headers["x-compute-tokens"] == str(tokens)
    for name in HEADERS:
        (value,) = reply.headers.get_list(name)
        assert value.isdigit()
    assert len(reply.headers.get_list("x-request-id")) == 1


def test_a_long_text_is_cut_only_if_that_is_asked_for(suite: LocalSuite, connect: Connect) -> None:
    text = "The boat is slow. " * 20
    refused = _predict(suite, connect, {"inputs": text}, max_text_tokens=16)
    assert (refused.status_code, refused.json()["error_type"]) == (413, "Validation")
    assert "at most 16" in refused.json()["error"]
    cut = _predict(suite, connect, {"inputs": text, "truncate": True}, max_text_tokens=16)
    assert cut.status_code == 200
    assert cut.headers["x-compute-tokens"] == "16"


def test_it_is_cut_where_that_is_asked_for(suite: LocalSuite, connect: Connect) -> None:
    text = "The boat is slow. " * 5 + "기차가 천천히 간다. " * 5
    cut = {
        side: _predict(
            suite, connect, {"inputs": text, "truncate": True, "truncation_direction": side}, max_text_tokens=16
        ).json()
        for side in ("Left", "left", "Right")
    }
    assert cut["Left"] == cut["left"] != cut["Right"]


@pytest.mark.parametrize("inputs", ["", [""], [["a"], [""]], []])
def test_nothing_to_classify(suite: LocalSuite, connect: Connect, inputs: Any) -> None:
    reply = _predict(suite, connect, {"inputs": inputs})
    assert reply.status_code == 400
    assert reply.json() == {"error": "`inputs` cannot be empty", "error_type": "Empty"}


@pytest.mark.parametrize("inputs", [["a", "b"], [["a", "b"]], [["a"], ["b", "c"]], [[]], [["a"], []]])
def test_pairs_are_refused(suite: LocalSuite, connect: Connect, inputs: Any) -> None:
    reply = _predict(suite, connect, {"inputs": inputs})
    assert (reply.status_code, reply.json()["error_type"]) == (422, "Validation")


@pytest.mark.parametrize(
    "body", [{}, {"inputs": 3}, {"inputs": "a", "truncation_direction": "Up"}, {"inputs": "a", "more": 1}]
)
def test_what_has_another_form_is_refused(suite: LocalSuite, connect: Connect, body: dict[str, Any]) -> None:
    reply = _predict(suite, connect, body)
    assert (reply.status_code, reply.json()["error_type"]) == (422, "Validation")


def test_too_large_a_batch(suite: LocalSuite, connect: Connect) -> None:
    reply = _predict(suite, connect, {"inputs": [["a"]] * 257})
    assert reply.status_code == 413
    assert reply.json() == {"error": "batch size 257 > maximum allowed batch size 256", "error_type": "Validation"}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (EngineFailed("it broke"), 424, "Backend"),
        (TimedOut("too late"), 424, "Backend"),
        (Overloaded("full", retry_after_s=2), 429, "Overloaded"),
        (ZeroDivisionError("secret"), 424, "Backend"),
    ],
)
def test_failures(
    suite: LocalSuite,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    kind: str,
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(type(suite), "run", broken)
    reply = _predict(suite, connect, {"inputs": "a"})
    assert (reply.status_code, reply.json()["error_type"]) == (status, kind)
    assert "secret" not in reply.text
