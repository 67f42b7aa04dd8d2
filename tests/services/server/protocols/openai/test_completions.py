"""`POST /v1/completions` over a tiny suite: choices, their order, echo, streams, usage, refusals."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.services.server.protocols.openai.asking import Connect, ask, chunks, complete, texts
from tests.services.server.test_app import Gate, MakeSuite, Slow

from rondo_services.engine.scheduler import Limits
from rondo_services.errors import EngineFailed
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

PROMPTS = ["The boat", "Das Boot", "배가"]
ENDLESS: dict[str, Any] = {"temperature": 0, "frequency_penalty": -2}


def test_a_completion_has_the_shape_of_the_api(suite: LocalSuite, connect: Connect) -> None:
    content = complete(suite, connect, prompt="The boat", max_tokens=4, user="someone", suffix=None, logprobs=None)
    assert content.pop("id").startswith("cmpl-")
    assert isinstance(content.pop("created"), int)
    (choice,) = content.pop("choices")
    assert set(choice) == {"text", "index", "logprobs", "finish_reason"}
    assert (choice["index"], choice["logprobs"]) == (0, None)
    usage = content.pop("usage")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert content == {"object": "text_completion", "model": "tiny/generation", "system_fingerprint": "tiny"}


def test_16_tokens_are_written_unless_another_number_is_asked_for(suite: LocalSuite, connect: Connect) -> None:
    for asked, expected in ((None, 16), (3, 3)):
        content = complete(suite, connect, prompt="The boat", max_tokens=asked, **ENDLESS)
        assert content["usage"]["completion_tokens"] == expected
        assert content["choices"][0]["finish_reason"] == "length"


def test_the_choices_are_what_the_service_writes(suite: LocalSuite, connect: Connect) -> None:
    options: dict[str, Any] = {"max_tokens": 8, "seed": 5, "temperature": 1.5, "presence_penalty": 1, "stop": "e"}
    content = complete(suite, connect, prompt=PROMPTS, top_p=0.9, **options)
    reply = ask(suite, connect, "POST", "/v1/generate", json={"prompt": PROMPTS, "top_p": 0.9, **options})
    native = reply.json()["results"]
    assert texts(content) == [result["text"] for result in native]
    assert [c["finish_reason"] for c in content["choices"]] == [result["finish_reason"] for result in native]
    assert content["usage"]["prompt_tokens"] == sum(result["usage"]["prompt_tokens"] for result in native)
    assert content["usage"]["completion_tokens"] == sum(result["usage"]["completion_tokens"] for result in native)


def test_a_prompt_counts_once_however_many_choices_it_has(suite: LocalSuite, connect: Connect) -> None:
    one = complete(suite, connect, prompt=PROMPTS, max_tokens=4, **ENDLESS)["usage"]
    four = complete(suite, connect, prompt=PROMPTS, max_tokens=4, n=4, **ENDLESS)["usage"]
    assert four["prompt_tokens"] == one["prompt_tokens"]
    assert four["completion_tokens"] == 4 * one["completion_tokens"] == 4 * 3 * 4


@pytest.mark.parametrize("seed", [7, -2, -(2**63), 2**63 - 1])
def test_with_a_seed_the_choices_differ_and_come_again(suite: LocalSuite, connect: Connect, seed: int) -> None:
    """Choices with the seeds -1 and 1 were once the same: Python's generator takes a seed without its sign."""
    body: dict[str, Any] = {"prompt": ["The boat", "The boat"], "n": 3, "max_tokens": 12, "seed": seed}
    first, second = (texts(complete(suite, connect, **body)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 6


def test_token_ids_are_a_prompt(suite: LocalSuite, connect: Connect) -> None:
    ids = [suite.tokenizer.encode(prompt) for prompt in PROMPTS]
    options: dict[str, Any] = {"seed": 3, "echo": True, "max_tokens": 6}
    written = texts(complete(suite, connect, prompt=PROMPTS, **options))
    assert texts(complete(suite, connect, prompt=ids, **options)) == written
    assert texts(complete(suite, connect, prompt=ids[0], **options)) == written[:1]


def test_null_is_the_empty_prompt(suite: LocalSuite, connect: Connect) -> None:
    prompts: list[Any] = [None, "", [""], [[]]]
    for prompt in prompts:
        content = complete(suite, connect, prompt=prompt, max_tokens=3, **ENDLESS)
        assert content["usage"] == {"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 3}


def test_top_p_0_takes_the_likeliest_token(suite: LocalSuite, connect: Connect) -> None:
    greedy = complete(suite, connect, prompt="The boat", temperature=0)
    assert texts(complete(suite, connect, prompt="The boat", top_p=0, seed=1)) == texts(greedy)


def test_an_echo_is_the_prompt_as_the_model_reads_it(suite: LocalSuite, connect: Connect) -> None:
    content = complete(suite, connect, prompt=["Zu\u0308ge", "The boat"], echo=True, n=2, seed=1)
    alone = texts(complete(suite, connect, prompt=["Zu\u0308ge", "The boat"], n=2, seed=1))
    echoes = ["Züge", "Züge", "The boat", "The boat"]
    assert texts(content) == [echo + text for echo, text in zip(echoes, alone, strict=True)]


@pytest.mark.parametrize("options", [{}, {"n": 2}, {"stream": True}])
def test_nothing_but_the_echo(suite: LocalSuite, connect: Connect, options: dict[str, Any]) -> None:
    body = {"prompt": "The boat", "max_tokens": 0, "echo": True, "stop": "b", **options}
    if "stream" in options:
        *_, last, usage = chunks(suite, connect, stream_options={"include_usage": True}, **body)
        assert usage["usage"]["completion_tokens"] == 0
        pieces = [chunk["choices"][0] for chunk in chunks(suite, connect, **body)]
        assert "".join(piece["text"] for piece in pieces) == "The boat"
        assert last["choices"][0]["finish_reason"] == "length"
        return
    content = complete(suite, connect, **body)
    assert {(choice["text"], choice["finish_reason"]) for choice in content["choices"]} == {("The boat", "length")}
    assert content["usage"]["completion_tokens"] == 0


def test_a_bias_forbids_and_forces_tokens(suite: LocalSuite, connect: Connect) -> None:
    end = str(suite.tokenizer.end_id)
    options: dict[str, Any] = {"prompt": "The boat", "max_tokens": 40}
    (forced,) = complete(suite, connect, logit_bias={end: 100}, **options)["choices"]
    assert (forced["text"], forced["finish_reason"]) == ("", "stop")
    forbidden = complete(suite, connect, logit_bias={end: -100}, n=4, **options)
    assert {choice["finish_reason"] for choice in forbidden["choices"]} == {"length"}


def _mean(choice: dict[str, Any]) -> float:
    values = choice["logprobs"]["token_logprobs"]
    return float(sum(values) / len(values))


def test_the_best_of_several_are_given_best_first(suite: LocalSuite, connect: Connect) -> None:
    body: dict[str, Any] = {"prompt": PROMPTS, "seed": 3, "max_tokens": 8, "temperature": 2}
    candidates = complete(suite, connect, n=5, logprobs=0, **body)
    best = complete(suite, connect, n=2, best_of=5, **body)
    expected: list[str] = []
    for begin in (0, 5, 10):
        own = sorted(candidates["choices"][begin : begin + 5], key=_mean, reverse=True)
        expected += [choice["text"] for choice in own[:2]]
    assert texts(best) == expected
    assert best["usage"] == candidates["usage"]
    assert all(choice["logprobs"] is None for choice in best["choices"])


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("stop", [None, "e"])
def test_log_probabilities_of_every_token(suite: LocalSuite, connect: Connect, echo: bool, stop: str | None) -> None:
    body = {"prompt": PROMPTS, "seed": 3, "logprobs": 2, "temperature": 0.5, "echo": echo, "stop": stop}
    content = complete(suite, connect, **body)
    for choice, prompt in zip(content["choices"], PROMPTS, strict=True):
        told = choice["logprobs"]
        num_echoed = len(suite.tokenizer.encode(prompt)) if echo else 0
        assert len({len(values) for values in told.values()}) == 1
        assert len(told["tokens"]) >= num_echoed
        for place, (value, likeliest) in enumerate(zip(told["token_logprobs"], told["top_logprobs"], strict=True)):
            if echo and place == 0:
                assert value is likeliest is None
                continue
            assert value <= 0
            assert likeliest[told["tokens"][place]] == value
            assert 1 <= len(likeliest) <= 3
        for token, offset in zip(told["tokens"], told["text_offset"], strict=True):
            if not token.startswith("bytes:") and token != "</s>" and offset < len(choice["text"]):
                assert choice["text"][offset:].startswith(token) or stop is not None
        pieces = [
            c for chunk in chunks(suite, connect, **body) for c in chunk["choices"] if c["index"] == choice["index"]
        ]
        for name, values in told.items():
            assert [value for piece in pieces for value in piece["logprobs"][name]] == values


def test_the_likelihood_of_a_prompt_needs_no_writing(suite: LocalSuite, connect: Connect) -> None:
    ids = suite.tokenizer.encode("The boat")
    body = {"echo": True, "logprobs": 1}
    alone = complete(suite, connect, prompt=ids, max_tokens=0, **body)["choices"][0]["logprobs"]
    assert len(alone["tokens"]) == len(ids)
    assert "".join(alone["tokens"]) == "The boat"
    longer = complete(suite, connect, prompt=ids, max_tokens=3, **body)["choices"][0]["logprobs"]
    assert longer["token_logprobs"][1 : len(ids)] == pytest.approx(alone["token_logprobs"][1:])


def test_the_start_symbol_gives_the_first_token_a_likelihood(suite: LocalSuite, connect: Connect) -> None:
    ids = suite.tokenizer.encode("The boat")
    body = {"echo": True, "logprobs": 0, "max_tokens": 0}
    without = complete(suite, connect, prompt=ids, **body)["choices"][0]
    begun = complete(suite, connect, prompt=[suite.tokenizer.start_id, *ids], **body)["choices"][0]
    assert begun["text"] == without["text"] == "The boat"
    assert begun["logprobs"]["tokens"] == ["<s>", *without["logprobs"]["tokens"]]
    assert begun["logprobs"]["token_logprobs"][0] is None
    assert begun["logprobs"]["token_logprobs"][1] < 0
    assert begun["logprobs"]["token_logprobs"][2:] == pytest.approx(without["logprobs"]["token_logprobs"][1:])


def test_after_a_natural_end_the_end_symbol_is_told_of(suite: LocalSuite, connect: Connect) -> None:
    """lm-eval takes the last token for the one that was written, even if nothing was."""
    end = str(suite.tokenizer.end_id)
    options: dict[str, Any] = {"prompt": "The boat", "echo": True, "max_tokens": 1, "logprobs": 1}
    (choice,) = complete(suite, connect, logit_bias={end: 100}, **options)["choices"]
    assert choice["text"] == "The boat"
    assert choice["logprobs"]["tokens"][-1] == "</s>"
    assert choice["logprobs"]["text_offset"][-1] == len("The boat")


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_joined_is_the_completion(suite: LocalSuite, connect: Connect, echo: bool) -> None:
    body = {"prompt": PROMPTS, "n": 2, "seed": 4, "max_tokens": 10, "stop": ["e", "x"], "echo": echo}
    whole = complete(suite, connect, **body)
    pieces = chunks(suite, connect, **body)
    assert len({chunk["id"] for chunk in pieces}) == 1
    for choice in whole["choices"]:
        own = [c for chunk in pieces for c in chunk["choices"] if c["index"] == choice["index"]]
        assert "".join(piece["text"] for piece in own) == choice["text"]
        assert [piece["finish_reason"] for piece in own] == [None] * (len(own) - 1) + [choice["finish_reason"]]
    assert all("usage" not in chunk for chunk in pieces)
    assert all(chunk["system_fingerprint"] == "tiny" and chunk["object"] == "text_completion" for chunk in pieces)


def test_the_usage_of_a_stream_comes_last(suite: LocalSuite, connect: Connect) -> None:
    body = {"prompt": PROMPTS, "n": 2, "seed": 4, "max_tokens": 10}
    *others, last = chunks(suite, connect, stream_options={"include_usage": True}, **body)
    assert last["choices"] == []
    assert last["usage"] == complete(suite, connect, **body)["usage"]
    assert all(chunk["usage"] is None for chunk in others)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "a", "model": None}, "model"),
        ({"model": "generation"}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [-1]}, "prompt.0"),
        ({"prompt": [1_000_000]}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "n": 0}, "n"),
        ({"prompt": "a", "n": 129}, "n"),
        ({"prompt": "a", "n": 2.5}, "n"),
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": "a", "best_of": 21}, "best_of"),
        ({"prompt": "a", "best_of": 0}, "best_of"),
        ({"prompt": "a", "best_of": 2, "stream": True}, "best_of"),
        ({"prompt": "a", "logprobs": 6}, "logprobs"),
        ({"prompt": "a", "logprobs": True}, "logprobs"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 2049}, "max_tokens"),
        ({"prompt": "a", "stop": ["a"] * 5}, "stop"),
        ({"prompt": "a", "stop": ""}, "stop"),
        ({"prompt": "a", "temperature": 2.1}, "temperature"),
        ({"prompt": "a", "top_p": 1.1}, "top_p"),
        ({"prompt": "a", "presence_penalty": 2.1}, "presence_penalty"),
        ({"prompt": "a", "seed": 2**63}, "seed"),
        ({"prompt": "a", "stream_options": {"include_usage": True}}, "stream_options"),
        ({"prompt": "a", "logit_bias": {"-1": 1}}, "logit_bias"),
        ({"prompt": "a", "logit_bias": {"5": 101}}, "logit_bias"),
        ({"prompt": "a", "logit_bias": {"05": 1}}, "logit_bias"),
        ({"prompt": "a", "logit_bias": {"0": 1}}, "logit_bias"),
        ({"prompt": "a", "logit_bias": {str(token): 1 for token in range(301)}}, "logit_bias"),
        ({"prompt": "a", "top_k": 5}, "top_k"),
        ({"prompt": ["a"] * 20, "n": 60}, "n"),
        ({"prompt": ["a"] * 100, "best_of": 20}, "best_of"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:60],
)
def test_what_cannot_be_honoured_is_refused(
    suite: LocalSuite, connect: Connect, body: dict[str, Any], param: str
) -> None:
    reply = ask(suite, connect, "POST", "/v1/completions", json={"model": "generation", **body})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, "invalid_input")
    assert error["message"]


@pytest.mark.parametrize("model", ["gpt-3.5-turbo-instruct", "other/generation", "tiny/translation", "sentiment", ""])
def test_a_model_that_does_not_generate_is_not_found(suite: LocalSuite, connect: Connect, model: str) -> None:
    reply = ask(suite, connect, "POST", "/v1/completions", json={"model": model, "prompt": "a"})
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert "tiny/generation" in error.pop("message")
    assert error == {"type": "not_found_error", "param": "model", "code": "model_not_found"}


def test_without_generation_there_are_no_completions(suite: LocalSuite, connect: Connect) -> None:
    reply = ask(replace(suite, generation=None), connect, "POST", "/v1/completions", json={"prompt": "a"})
    assert reply.status_code == 404
    assert reply.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_full_queue_is_a_rate_limit(make_suite: MakeSuite, connect: Connect, streamed: bool) -> None:
    gate = Gate()
    suite = make_suite(Limits(max_waiting=2), gate)
    body = {"model": "generation", "prompt": "a", "n": 2, "stream": streamed}

    async def one() -> httpx.Response:
        async with connect(suite) as client:
            running = asyncio.create_task(client.post("/v1/sentiment", json={"text": "a"}))
            await asyncio.to_thread(gate.reached.wait)
            waiting = asyncio.create_task(client.post("/v1/sentiment", json={"text": "a"}))
            while "rondo_num_requests_waiting 1.0" not in gate.lines():
                await asyncio.sleep(0.001)
            refused = await client.post("/v1/completions", json=body)
            gate.open.set()
            await asyncio.gather(running, waiting)
            return refused

    refused = asyncio.run(one())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    error = refused.json()["error"]
    assert error.pop("message")
    assert error == {"type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}


def test_a_late_answer_is_not_asked_for_again(make_suite: MakeSuite, connect: Connect) -> None:
    """OpenAI's client repeats what ended with 504 twice, which only adds to the load that made it late."""
    suite = make_suite(observer=Slow(0.2))

    async def one() -> httpx.Response:
        async with connect(suite, ServerSettings(timeout_s=0.05)) as client:
            return await client.post(
                "/v1/completions", json={"model": "generation", "prompt": "a", "max_tokens": 300, **ENDLESS}
            )

    reply = asyncio.run(one())
    assert reply.status_code == 504
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["type"] == "server_error"


def test_an_error_in_mid_stream_is_an_event(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert suite.generation is not None

    def broken(*_: object) -> None:
        raise EngineFailed("broken")

    monkeypatch.setattr(suite.generation, "usage", broken)  # looked at only at the end
    body = {"model": "generation", "prompt": "a", "max_tokens": 5, "stream": True, **ENDLESS}
    lines = ask(suite, connect, "POST", "/v1/completions", json=body).text.removesuffix("\n\n").split("\n\n")
    assert json.loads(lines[0].removeprefix("data: "))["choices"]
    expected = {"message": "broken", "type": "server_error", "param": None, "code": "engine_failed"}
    assert json.loads(lines[-1].removeprefix("data: ")) == {"error": expected}
