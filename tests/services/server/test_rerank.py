"""Translations that are chosen also by the model that translates back."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_services.errors import NotServed
from rondo_services.local import LocalSuite
from rondo_services.translation.service import LONGEST_RERANKED, TranslationOptions, TranslationService

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _translate(suite: LocalSuite, connect: Connect, **options: Any) -> dict[str, Any]:
    async def ask() -> httpx.Response:
        body = {"text": "A slow train is a late train.", "source": "en", "target": "de", **options}
        async with connect(suite) as client:
            return await client.post("/v1/translate", json=body)

    reply = asyncio.run(ask())
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()["results"][0]
    return result


def test_reranking_chooses_among_the_same_hypotheses(suite: LocalSuite, connect: Connect) -> None:
    plain = _translate(suite, connect, beam_size=6, alternatives=5)
    other = _translate(suite, connect, beam_size=6, alternatives=5, rerank=4)
    assert {plain["translation"], *plain["alternatives"]} == {other["translation"], *other["alternatives"]}
    assert plain != other


def test_it_needs_the_way_back(suite: LocalSuite) -> None:
    service = TranslationService(suite.tokenizer, "translation", [("en", "de")])
    with pytest.raises(NotServed, match="rerank needs de→en; served are en→de"):
        service.plan("The boat", TranslationOptions("en", "de", rerank=1.0))


def test_a_detected_language_without_a_way_back_is_warned_of(suite: LocalSuite) -> None:
    service = TranslationService(suite.tokenizer, "translation", [("en", "de")])
    plan = service.plan("The boat on the river is late today.", TranslationOptions("auto", "de", rerank=1.0))
    assert plan.works[0].channel is None
    assert plan.warnings == ("not reranked: not trained to translate 'de' into 'en'",)


def test_a_very_long_sentence_keeps_its_order_and_is_warned_of(suite: LocalSuite) -> None:
    """Without a limit one sentence of 800 words held the engine up until it was killed."""
    service = TranslationService(suite.tokenizer, "translation", [("en", "de"), ("de", "en")])
    text = "The boat is slow. A boat" + " and a boat" * LONGEST_RERANKED
    plan = service.plan(text, TranslationOptions("en", "de", beam_size=3, rerank=1.0))
    assert [work.channel is None for work in plan.works] == [False, True]
    assert [work.parameters.num_best for work in plan.works] == [3, 1]
    assert len(plan.warnings) == 1
    assert f"was not reranked; at most {LONGEST_RERANKED} are" in plan.warnings[0]
