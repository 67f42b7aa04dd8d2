"""OpenAI's own client, unmodified, against the real server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Protocol

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from rondo_services.server.settings import DEFAULT_BUNDLE

MODEL = f"{DEFAULT_BUNDLE}/generation"
PROMPTS = ["The film", "Der Mann", "이 영화"]


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def engine_pid(self) -> int | None: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...


Launch = Callable[..., AbstractContextManager[Server]]


def _options(client: httpx.Client, **others: Any) -> dict[str, Any]:
    return {"base_url": str(client.base_url.join("/v1")), "api_key": "unused", "max_retries": 0, **others}


@pytest.fixture
def openai_client(client: httpx.Client) -> Iterator[OpenAI]:
    with OpenAI(**_options(client)) as own:
        yield own


@asynccontextmanager
async def _async_client(client: httpx.Client) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(**_options(client)) as own:
        yield own


def _completion(reply: Any) -> openai.types.Completion:
    """Checked against the client's types, to which it does not hold replies by itself."""
    return openai.types.Completion.model_validate(reply.model_dump(), strict=True)


def test_the_models(openai_client: OpenAI) -> None:
    models = openai_client.models.list().data
    assert MODEL in [model.id for model in models]
    for model in models:
        assert openai_client.models.retrieve(model.id) == model
        assert openai.types.Model.model_validate(model.model_dump(), strict=True)
    assert openai_client.models.retrieve("generation").id == MODEL


def test_a_completion(openai_client: OpenAI) -> None:
    reply = _completion(openai_client.completions.create(model=MODEL, prompt="The film", max_tokens=8, temperature=0))
    (choice,) = reply.choices
    assert choice.text
    assert choice.finish_reason in ("stop", "length")
    assert reply.usage is not None
    assert 1 <= reply.usage.completion_tokens <= 8
    assert (reply.model, reply.object) == (MODEL, "text_completion")
    assert len(reply.system_fingerprint or "") == 64


def test_choices_of_several_prompts(openai_client: OpenAI) -> None:
    options: dict[str, Any] = {"model": MODEL, "max_tokens": 12, "seed": 1, "n": 2, "stop": ["."], "top_p": 0.9}
    reply = _completion(openai_client.completions.create(prompt=PROMPTS, echo=True, **options))
    assert [choice.index for choice in reply.choices] == list(range(6))
    assert all(choice.text.startswith(PROMPTS[choice.index // 2]) for choice in reply.choices)
    assert len({choice.text for choice in reply.choices}) == 6
    again = openai_client.completions.create(prompt=PROMPTS, echo=True, **options)
    assert [choice.text for choice in again.choices] == [choice.text for choice in reply.choices]


def test_a_stream(openai_client: OpenAI) -> None:
    body: dict[str, Any] = {"model": MODEL, "prompt": PROMPTS, "n": 2, "seed": 2, "max_tokens": 16}
    whole = openai_client.completions.create(**body)
    with openai_client.completions.create(**body, stream=True, stream_options={"include_usage": True}) as stream:
        *chunks, last = list(stream)
    for choice in whole.choices:
        own = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
        assert "".join(piece.text for piece in own) == choice.text
        assert own[-1].finish_reason == choice.finish_reason
    assert last.choices == []
    assert last.usage == whole.usage


def test_asynchronously(client: httpx.Client) -> None:
    async def ask() -> tuple[str, str]:
        async with _async_client(client) as own:
            options: dict[str, Any] = {"model": MODEL, "prompt": "The film", "seed": 4}
            whole, stream = await asyncio.gather(
                own.completions.create(**options), own.completions.create(**options, stream=True)
            )
            pieces = [chunk.choices[0].text async for chunk in stream]
            assert MODEL in [model.id async for model in own.models.list()]
            return whole.choices[0].text, "".join(pieces)

    whole, joined = asyncio.run(ask())
    assert joined == whole


def test_token_ids_and_their_bias(openai_client: OpenAI, client: httpx.Client) -> None:
    ids = client.post("/tokenize", json={"prompt": "The film", "add_special_tokens": False}).json()["tokens"]
    end = client.post("/tokenize", json={"prompt": "</s>", "add_special_tokens": False}).json()["tokens"][0]
    options: dict[str, Any] = {"model": MODEL, "max_tokens": 20, "temperature": 0}
    by_ids = openai_client.completions.create(prompt=[ids], **options)
    by_text = openai_client.completions.create(prompt="The film", **options)
    assert by_ids.choices == by_text.choices
    forced = openai_client.completions.create(prompt=ids, logit_bias={str(end): 100}, **options)
    assert (forced.choices[0].text, forced.choices[0].finish_reason) == ("", "stop")
    endless = openai_client.completions.create(prompt=ids, logit_bias={str(end): -100}, **options)
    assert endless.choices[0].finish_reason == "length"


def test_log_probabilities(openai_client: OpenAI) -> None:
    reply = openai_client.completions.create(
        model=MODEL, prompt="The film", max_tokens=8, temperature=0, logprobs=2, echo=True
    )
    choice = reply.choices[0]
    logprobs = choice.logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert logprobs.top_logprobs is not None
    assert logprobs.text_offset is not None
    assert "".join(logprobs.tokens).removesuffix("</s>") == choice.text
    assert logprobs.token_logprobs[0] is None
    assert logprobs.top_logprobs[0] is None
    assert reply.usage is not None
    for place in range(reply.usage.prompt_tokens, len(logprobs.tokens)):
        likeliest = max(logprobs.top_logprobs[place].values())
        assert logprobs.token_logprobs[place] == likeliest == logprobs.top_logprobs[place][logprobs.tokens[place]]
        offset = logprobs.text_offset[place]
        assert choice.text[offset:].startswith(logprobs.tokens[place].removesuffix("</s>"))


def test_the_best_of_several(openai_client: OpenAI) -> None:
    options: dict[str, Any] = {"model": MODEL, "prompt": "The film", "max_tokens": 12, "seed": 5, "logprobs": 0}
    candidates = openai_client.completions.create(n=6, **options)
    best = openai_client.completions.create(n=2, best_of=6, **options)

    def mean(choice: openai.types.CompletionChoice) -> float:
        assert choice.logprobs is not None
        values = choice.logprobs.token_logprobs or []
        return sum(values) / len(values)

    expected = sorted(candidates.choices, key=mean, reverse=True)[:2]
    assert [choice.text for choice in best.choices] == [choice.text for choice in expected]
    assert best.usage == candidates.usage


@pytest.mark.parametrize(
    ("body", "error", "param"),
    [
        ({"model": MODEL, "prompt": "a", "suffix": "b"}, openai.BadRequestError, "suffix"),
        ({"model": MODEL, "prompt": "a", "temperature": 3}, openai.BadRequestError, "temperature"),
        ({"model": MODEL, "prompt": "a", "stream": True, "n": 3, "best_of": 4}, openai.BadRequestError, "best_of"),
        ({"model": "gpt-3.5-turbo-instruct", "prompt": "a"}, openai.NotFoundError, "model"),
        ({"model": "translation", "prompt": "a"}, openai.NotFoundError, "model"),
    ],
)
def test_refusals(openai_client: OpenAI, body: dict[str, Any], error: type[openai.APIStatusError], param: str) -> None:
    with pytest.raises(error) as raised:
        openai_client.completions.create(**body)
    assert raised.value.param == param
    assert raised.value.type in ("invalid_request_error", "not_found_error")
    assert raised.value.request_id


def test_what_there_is_not(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        openai_client.models.retrieve("none")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="/v1/completions"):
        openai_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a"}])


def test_a_timeout_is_not_repeated(client: httpx.Client) -> None:
    with OpenAI(**_options(client, max_retries=5)) as own, pytest.raises(openai.InternalServerError) as raised:
        own.completions.create(
            model=MODEL,
            prompt="The film",
            max_tokens=2048,
            logit_bias={"3": -100},
            extra_headers={"X-Request-Timeout-Ms": "1"},
        )
    assert raised.value.code == "timed_out"
    assert raised.value.request.headers["x-stainless-retry-count"] == "0"


def test_overload_is_a_rate_limit_and_passes(launch: Launch) -> None:
    """While the engine stands still one request waits and the next is refused; a client that repeats is served."""
    with launch("--services", "generation", settings={"max_waiting": "1"}) as server:
        pid = server.engine_pid()
        assert pid is not None
        options: dict[str, Any] = {"model": MODEL, "prompt": "The film", "max_tokens": 4}
        with (
            OpenAI(**_options(server.client)) as own,
            OpenAI(**_options(server.client, max_retries=5)) as patient,
            ThreadPoolExecutor(2) as pool,
        ):
            os.kill(pid, signal.SIGSTOP)
            try:
                waiting = pool.submit(lambda: own.completions.create(**options))
                server.wait_for_metric("rondo_num_requests_waiting", lambda count: count == 1)
                with pytest.raises(openai.RateLimitError) as raised:
                    own.completions.create(**options)
                assert raised.value.code == "rate_limit_exceeded"
                repeating = pool.submit(lambda: patient.completions.create(**options))
                server.wait_for_metric("rondo_requests_refused_total", lambda count: count == 2)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert waiting.result(60).choices
            assert repeating.result(60).choices
