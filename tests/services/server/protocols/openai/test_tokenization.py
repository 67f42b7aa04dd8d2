"""The vocabulary by HTTP, as vLLM's clients ask for it."""

from typing import Any

import pytest
from tests.services.server.protocols.openai.asking import Connect, ask

from rondo_services.local import LocalSuite


@pytest.mark.parametrize("prompt", ["The boat", "배가 천천히", "", "💖 <s>", " a"])
def test_text_to_ids_and_back(suite: LocalSuite, connect: Connect, prompt: str) -> None:
    body = {"prompt": prompt, "add_special_tokens": False}
    content = ask(suite, connect, "POST", "/tokenize", json=body).json()
    ids = suite.tokenizer.encode(prompt)
    assert content == {"count": len(ids), "max_model_len": 20_000, "tokens": ids}
    assert ask(suite, connect, "POST", "/detokenize", json={"tokens": ids}).json() == {"prompt": prompt}
    with_start = ask(suite, connect, "POST", "/tokenize", json={"prompt": prompt, "model": "generation"}).json()
    assert with_start["tokens"] == [suite.tokenizer.start_id, *ids]


def test_the_symbols_can_be_found_out(suite: LocalSuite, connect: Connect) -> None:
    info = ask(suite, connect, "GET", "/tokenizer_info").json()
    assert info["vocab_size"] == suite.tokenizer.size
    for name, expected in (("bos_token", suite.tokenizer.start_id), ("eos_token", suite.tokenizer.end_id)):
        body = {"prompt": info[name], "add_special_tokens": False}
        assert ask(suite, connect, "POST", "/tokenize", json=body).json()["tokens"] == [expected]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {}, 400, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": []}, 400, "messages"),
        ("/tokenize", {"prompt": "a", "model": "none"}, 404, "model"),
        ("/detokenize", {"tokens": [10**6]}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens.0"),
        ("/detokenize", {"tokens": [1], "model": "none"}, 404, "model"),
    ],
)
def test_bad_requests(
    suite: LocalSuite, connect: Connect, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    reply = ask(suite, connect, "POST", path, json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
