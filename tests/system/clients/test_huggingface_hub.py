"""Hugging Face's `InferenceClient`, as it is, with the URL of a model: each task that Rondo has."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, ValidationError
from tests.system.asking import HANGUL, REVIEWS, TEXTS

Ask = Callable[[AsyncInferenceClient], Awaitable[Any]]


def _url(client: httpx.Client, service: str) -> str:
    models = [card["id"] for card in client.get("/v1/models").json()["data"]]
    (model,) = [model for model in models if model.endswith(f"/{service}")]
    return str(client.base_url.join(f"/models/{model}"))


def _hub(client: httpx.Client, service: str, **options: Any) -> InferenceClient:
    return InferenceClient(model=_url(client, service), **options)


def _wait(client: httpx.Client, service: str, ask: Ask) -> Any:
    async def run() -> Any:
        async with AsyncInferenceClient(model=_url(client, service)) as own:
            return await ask(own)

    return asyncio.run(run())


@pytest.mark.parametrize("language", ["en", "ko"])
def test_text_classification(client: httpx.Client, language: str) -> None:
    hub = _hub(client, "sentiment")
    for review, label in zip(REVIEWS[language], ("positive", "negative"), strict=True):
        first, second = hub.text_classification(review)
        assert first.label == label
        assert first.score + second.score == pytest.approx(1)
        assert hub.text_classification(review, top_k=1) == [first]
        logarithm = hub.text_classification(review, function_to_apply="none")[0].score
        assert logarithm == pytest.approx(math.log(first.score), abs=1e-6)


def test_translation(client: httpx.Client) -> None:
    hub = _hub(client, "translation")
    german = hub.translation(TEXTS["en"], src_lang="en", tgt_lang="de").translation_text
    assert german
    assert german != TEXTS["en"]
    options = {"num_beams": 1}
    korean = hub.translation(TEXTS["en"], src_lang="auto", tgt_lang="ko", generate_parameters=options)
    assert HANGUL.search(korean.translation_text)


def test_summarization(client: httpx.Client) -> None:
    hub = _hub(client, "summarization")
    assert hub.summarization(TEXTS["en"]).summary_text
    short = hub.summarization(TEXTS["en"], generate_parameters={"max_new_tokens": 3}).summary_text
    assert len(short.split()) <= 3


def test_text_generation(client: httpx.Client) -> None:
    hub = _hub(client, "generation")
    greedy = hub.text_generation("The film", max_new_tokens=8)
    assert greedy
    assert hub.text_generation("The film", max_new_tokens=8) == greedy
    assert hub.text_generation("The film", max_new_tokens=8, return_full_text=True) == "The film" + greedy
    drawn: dict[str, Any] = {
        "do_sample": True,
        "temperature": 1.5,
        "top_k": 50,
        "top_p": 0.9,
        "seed": 3,
        "max_new_tokens": 8,
    }
    assert hub.text_generation("The film", **drawn) == hub.text_generation("The film", **drawn)


DRAWN: dict[str, Any] = {"do_sample": True, "temperature": 1.2, "seed": 3, "max_new_tokens": 8}


def test_details(client: httpx.Client) -> None:
    hub = _hub(client, "generation")
    told = hub.text_generation("The film", details=True, **DRAWN)
    assert told.generated_text == hub.text_generation("The film", **DRAWN)
    assert told.details is not None
    assert told.details.finish_reason in ("length", "eos_token")
    assert told.details.generated_tokens == len(told.details.tokens)
    assert told.details.seed == 3
    assert "".join(token.text for token in told.details.tokens) == told.generated_text


def test_details_of_prompt_and_likeliest_tokens(client: httpx.Client) -> None:
    hub = _hub(client, "generation")
    told = hub.text_generation(
        "The film was", details=True, decoder_input_details=True, top_n_tokens=5, truncate=2, best_of=3, **DRAWN
    ).details
    assert told is not None
    assert len(told.prefill) == 2
    assert told.top_tokens is not None
    assert [len(top) for top in told.top_tokens] == [5] * len(told.tokens)
    assert told.best_of_sequences is not None
    assert len(told.best_of_sequences) == 2
    assert all(token.logprob <= 0 for token in told.tokens)


def test_stream(client: httpx.Client) -> None:
    hub = _hub(client, "generation")
    whole = hub.text_generation("The film", **DRAWN)
    assert "".join(hub.text_generation("The film", stream=True, **DRAWN)) == whole
    *others, last = hub.text_generation("The film", stream=True, details=True, **DRAWN)
    assert last.generated_text == whole
    assert last.details is not None
    assert last.details.input_length > 0
    assert all(event.details is None and event.generated_text is None for event in others)


def test_stop(client: httpx.Client) -> None:
    hub = _hub(client, "generation")
    whole = hub.text_generation("The film", **DRAWN)
    stop = whole.strip().split()[-1]
    told = hub.text_generation("The film", details=True, stop=[stop], **DRAWN)
    assert told.generated_text == whole[: whole.index(stop)]
    assert told.details is not None
    assert told.details.finish_reason == "stop_sequence"


def test_streams_of_the_waiting_client(client: httpx.Client) -> None:
    async def ask(hub: AsyncInferenceClient) -> None:
        told = await hub.text_generation("The film", details=True, **DRAWN)
        texts = [text async for text in await hub.text_generation("The film", stream=True, **DRAWN)]
        assert "".join(texts) == told.generated_text
        events = [e async for e in await hub.text_generation("The film", stream=True, details=True, **DRAWN)]
        assert events[-1].generated_text == told.generated_text

    _wait(client, "generation", ask)


def test_waiting_client(client: httpx.Client) -> None:
    labels = _wait(client, "sentiment", lambda hub: hub.text_classification(REVIEWS["en"][0]))
    assert labels[0].label == "positive"
    german = _wait(client, "translation", lambda hub: hub.translation(TEXTS["en"], src_lang="en", tgt_lang="de"))
    assert german.translation_text
    assert _wait(client, "summarization", lambda hub: hub.summarization(TEXTS["en"])).summary_text
    assert _wait(client, "generation", lambda hub: hub.text_generation("The film", max_new_tokens=4))


def test_the_target_is_asked_for(client: httpx.Client) -> None:
    with pytest.raises(HfHubHTTPError, match=r"parameters\.tgt_lang is missing; choose among") as caught:
        _hub(client, "translation").translation(TEXTS["en"])
    assert caught.value.response.status_code == 422


@pytest.mark.parametrize(
    "option",
    [{"typical_p": 0.5}, {"watermark": True}, {"top_n_tokens": 6}, {"adapter_id": "x"}, {"temperature": -1.0}],
)
def test_what_cannot_be_honoured(client: httpx.Client, option: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=rf"parameters\.{next(iter(option))}"):
        _hub(client, "generation").text_generation("The film", **option)


def test_an_unknown_model(client: httpx.Client) -> None:
    hub = InferenceClient(model=str(client.base_url.join("/models/other")))
    with pytest.raises(HfHubHTTPError) as caught:
        hub.text_classification("a")
    assert caught.value.response.status_code == 404


def test_a_timeout(client: httpx.Client) -> None:
    with pytest.raises(InferenceTimeoutError):
        _hub(client, "generation", timeout=1e-3).text_generation("The film", max_new_tokens=500)
