"""Sentiment with its reasons."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
import torch

from rondo_models.training.sequences import padded
from rondo_services.local import LocalSuite

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
TEXTS = ["The boat is slow.", "", "기차가 🚂 간다, e\u0301"]


def _ask(suite: LocalSuite, connect: Connect, **body: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post("/v1/sentiment", json=body)

    return asyncio.run(ask())


def _results(suite: LocalSuite, connect: Connect, **body: Any) -> list[dict[str, Any]]:
    reply = _ask(suite, connect, **body)
    assert reply.status_code == 200, reply.text
    results: list[dict[str, Any]] = reply.json()["results"]
    return results


def test_the_answer_is_the_same_and_its_parts_are_the_text(suite: LocalSuite, connect: Connect) -> None:
    plain = _results(suite, connect, text=TEXTS)
    explained = _results(suite, connect, text=TEXTS, explain=True)
    for before, after in zip(plain, explained, strict=True):
        assert "tokens" not in before
        assert after["label"] == before["label"]
        assert after["scores"] == pytest.approx(before["scores"], abs=0.01)
    parts = ["".join(token["text"] for token in result["tokens"]) for result in explained]
    assert parts == ["The boat is slow.", "", "기차가 🚂 간다, é"]


def test_saliencies_add_up_to_the_margin_over_a_text_of_blanks(suite: LocalSuite, connect: Connect) -> None:
    assert suite.sentiment is not None
    (result,) = _results(suite, connect, text="The boat is slow.", explain=True)
    ids = suite.sentiment.work("The boat is slow.").ids
    head, backbone = suite.bundle.model.classifier("sentiment"), suite.bundle.model.backbone
    blank = (*(backbone.config.pad_id for _ in ids[:-1]), ids[-1])
    with torch.inference_mode():  # this bundle's n-grams weigh nothing, else the end symbol had a share too
        text, baseline = (head(backbone.encode(*padded([own], 0)))[0] for own in (ids, blank))
        difference = text - baseline
    label = suite.sentiment.labels.index(result["label"])
    expected = float(difference[label] - difference[1 - label])
    assert sum(token["saliency"] for token in result["tokens"]) == pytest.approx(expected, abs=1e-3)


def test_a_text_that_is_too_long_to_be_explained_says_how_long_it_is(suite: LocalSuite, connect: Connect) -> None:
    text = "기차가 천천히 간다. " * 100
    assert suite.sentiment is not None
    size = len(suite.sentiment.work(text).ids)
    reply = _ask(suite, connect, text=text, explain=True)
    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == "text"
    assert f"{size} tokens; at most 512 can be explained" in reply.json()["error"]["message"]
    assert _ask(suite, connect, text=text).status_code == 200
