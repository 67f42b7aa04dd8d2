"""Generation that goes on from a state: same text as in one go, and nobody else's states."""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_models.bundle import Bundle
from rondo_services.errors import MalformedState
from rondo_services.generation.continuation import StateSealer
from rondo_services.local import LocalSuite, suite_of

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
GREEDY = {"temperature": 0}


def _generate(suite: LocalSuite, connect: Connect, **body: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post("/v1/generate", json={**GREEDY, **body})

    return asyncio.run(ask())


def _result(suite: LocalSuite, connect: Connect, **body: Any) -> dict[str, Any]:
    reply = _generate(suite, connect, **body)
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()["results"][0]
    return result


def test_two_halves_are_the_whole(suite: LocalSuite, connect: Connect) -> None:
    whole = _result(suite, connect, prompt="The boat", max_tokens=12)
    assert "state" not in whole
    first = _result(suite, connect, prompt="The boat", max_tokens=6, return_state=True)
    assert first["finish_reason"] == "length"
    second = _result(suite, connect, prompt="", max_tokens=6, state=first["state"])
    assert first["text"] + second["text"] == whole["text"]
    assert second["usage"]["prompt_tokens"] == 0


def test_a_prompt_is_read_after_the_state(suite: LocalSuite, connect: Connect) -> None:
    first = _result(suite, connect, prompt="The boat", max_tokens=6, return_state=True)
    texts = {_result(suite, connect, prompt=p, max_tokens=8, state=first["state"])["text"] for p in ("", " is late")}
    assert len(texts) == 2


@pytest.mark.parametrize("prompt", [" is late", "s", ", and", "는 느리다"])
def test_a_prompt_is_joined_to_the_text_as_it_is(suite: LocalSuite, connect: Connect, prompt: str) -> None:
    assert suite.generation is not None
    tokenizer = suite.generation.tokenizer
    state = _result(suite, connect, prompt="The boat", max_tokens=6, return_state=True)["state"]
    usage = _result(suite, connect, prompt=prompt, max_tokens=1, state=state)["usage"]
    assert usage["prompt_tokens"] == len(tokenizer.encode_continuation(prompt)) < len(tokenizer.encode(prompt)) + 1


def test_a_stream_gives_and_takes_states(suite: LocalSuite, connect: Connect) -> None:
    first = _result(suite, connect, prompt="The boat", max_tokens=6, return_state=True)
    body = {"prompt": "", "max_tokens": 6, "state": first["state"], "return_state": True}
    streamed = _generate(suite, connect, stream=True, **body).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    at_once = _result(suite, connect, **body)
    assert "".join(event["text"] for event in events) == at_once["text"]
    assert events[-1]["state"] == at_once["state"]


@pytest.mark.parametrize(
    "change", [lambda s: s[:-8] + "AAAAAAA=", lambda s: s[:40], lambda s: "not base64!", lambda s: "여"]
)
def test_a_forged_state_is_refused(suite: LocalSuite, connect: Connect, change: Callable[[str], str]) -> None:
    state = _result(suite, connect, prompt="The boat", max_tokens=2, return_state=True)["state"]
    reply = _generate(suite, connect, prompt="", state=change(state))
    assert reply.status_code == 400
    assert (reply.json()["error"]["code"], reply.json()["error"]["field"]) == ("malformed_state", "state")


def test_a_state_goes_on_with_one_prompt(suite: LocalSuite, connect: Connect) -> None:
    state = _result(suite, connect, prompt="The boat", max_tokens=2, return_state=True)["state"]
    reply = _generate(suite, connect, prompt=["a", "b"], state=state)
    assert reply.status_code == 422
    assert "one prompt" in reply.json()["error"]["message"]


def test_replicas_with_one_key_understand_each_other(bundle: Bundle, connect: Connect) -> None:
    first, second, other = (suite_of(bundle, state_key=key, max_wait_s=0) for key in ("k", "k", "another"))
    try:
        whole = _result(first, connect, prompt="The boat", max_tokens=8)
        begun = _result(first, connect, prompt="The boat", max_tokens=4, return_state=True)
        rest = _result(second, connect, prompt="", max_tokens=4, state=begun["state"])
        assert begun["text"] + rest["text"] == whole["text"]
        assert _generate(other, connect, prompt="", state=begun["state"]).status_code == 400
    finally:
        for suite in (first, second, other):
            suite.close()


def test_a_state_of_another_bundle_is_refused() -> None:
    sealed = StateSealer("k", "one").seal(7, b"state")
    assert StateSealer("k", "one").open(sealed) == (7, b"state")
    with pytest.raises(MalformedState, match="another bundle"):
        StateSealer("k", "two").open(sealed)
    assert len(base64.urlsafe_b64decode(sealed)) == 16 + 4 + 5
