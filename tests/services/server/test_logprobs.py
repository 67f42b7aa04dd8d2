"""Log-probabilities of what was written and read, in one reply and in pieces."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_services.local import LocalSuite

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
BODY: dict[str, Any] = {"prompt": "The boat", "max_tokens": 10, "temperature": 1.5, "seed": 5, "logprobs": 2}


def _ask(suite: LocalSuite, connect: Connect, **body: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post("/v1/generate", json={**BODY, **body})

    return asyncio.run(ask())


def _result(suite: LocalSuite, connect: Connect, **body: Any) -> dict[str, Any]:
    reply = _ask(suite, connect, **body)
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()["results"][0]
    return result


def test_the_tokens_are_those_of_the_text(suite: LocalSuite, connect: Connect) -> None:
    result = _result(suite, connect, prompt_logprobs=True)
    ids = [token["id"] for token in result["logprobs"]]
    written = ids[:-1] if result["finish_reason"] == "stop" else ids
    assert suite.tokenizer.decode_continuation(written) == result["text"]
    assert all(len(token["top"]) == 2 and token["logprob"] <= 0 for token in result["logprobs"])
    read = result["prompt_logprobs"]
    assert [token["id"] for token in read] == list(suite.tokenizer.encode("The boat"))
    assert "".join(token["token"] for token in read).strip() == "The boat"


def test_pieces_tell_of_the_same_tokens(suite: LocalSuite, connect: Connect) -> None:
    whole = _result(suite, connect, prompt_logprobs=True)
    streamed = _ask(suite, connect, stream=True, prompt_logprobs=True).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert [token["id"] for event in events for token in event["logprobs"]] == [t["id"] for t in whole["logprobs"]]
    assert [token["id"] for token in events[0]["prompt_logprobs"]] == [t["id"] for t in whole["prompt_logprobs"]]
    assert all("prompt_logprobs" not in event for event in events[1:])


def test_a_stop_text_ends_the_tokens_too(suite: LocalSuite, connect: Connect) -> None:
    whole = _result(suite, connect)
    stop = whole["text"][4:6]
    result = _result(suite, connect, stop=stop)
    shorter = len(result["logprobs"])
    assert result["text"] == whole["text"][: whole["text"].index(stop)]
    assert shorter < len(whole["logprobs"])
    assert [t["id"] for t in result["logprobs"]] == [t["id"] for t in whole["logprobs"]][:shorter]


def test_none_unasked(suite: LocalSuite, connect: Connect) -> None:
    assert not {"logprobs", "prompt_logprobs"} & _result(suite, connect, logprobs=None).keys()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"100000": 1}}, "logit_bias"),
        ({"logit_bias": {"05": 1}}, "logit_bias"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(301)}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
    ],
)
def test_what_cannot_be_is_refused(suite: LocalSuite, connect: Connect, body: dict[str, Any], field: str) -> None:
    reply = _ask(suite, connect, **body)
    assert reply.status_code == 422
    assert reply.json()["error"]["field"].split(".")[0] == field


def test_what_is_never_written_cannot_be_made_likelier(suite: LocalSuite, connect: Connect) -> None:
    """The bias was ignored without a word."""
    start = str(suite.tokenizer.start_id)
    error = _ask(suite, connect, logit_bias={start: 1}).json()["error"]
    assert error["field"] == "logit_bias"
    assert error["message"] == f"logit_bias: the token {start} (<s>) is never written; its bias can be 0 or less"
    for bias in (0, -100):
        assert _ask(suite, connect, logit_bias={start: bias}).status_code == 200


def test_a_prompt_that_goes_on_from_a_state_is_not_scored(suite: LocalSuite, connect: Connect) -> None:
    state = _result(suite, connect, return_state=True, seed=1)["state"]
    assert _ask(suite, connect, state=state, prompt_logprobs=True).json()["error"]["field"] == "prompt_logprobs"


def test_a_bias_decides(suite: LocalSuite, connect: Connect) -> None:
    (identifier,) = {suite.tokenizer.encode("boat")[-1]}
    result = _result(suite, connect, temperature=0, logit_bias={str(identifier): 100}, max_tokens=3)
    assert [token["id"] for token in result["logprobs"]] == [identifier] * 3
