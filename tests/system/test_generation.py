"""Generation over HTTP, at once and in streams: shapes and robust facts, never exact wording."""

from typing import Any

import httpx
import pytest
from tests.system.asking import ENDLESS, events, generate, joined, metric, post, wait_until


@pytest.mark.parametrize("prompt", ["The film", "Der Mann", "이 영화", ""])
def test_greedy_generation_is_repeatable(client: httpx.Client, prompt: str) -> None:
    first, second = (generate(client, prompt, temperature=0, max_tokens=20, seed=seed) for seed in (1, 2))
    assert first == second
    assert set(first) == {"text", "finish_reason", "usage"}
    usage = first["usage"]
    assert 0 <= usage["completion_tokens"] <= 20
    assert (usage["prompt_tokens"] == 0) == (prompt == "")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert (first["finish_reason"] == "length") == (usage["completion_tokens"] == 20)


def test_the_seed_decides_the_text(client: httpx.Client) -> None:
    options: dict[str, Any] = {"temperature": 1, "top_p": 1, "max_tokens": 40}
    texts = [generate(client, "The film", seed=seed, **options)["text"] for seed in (5, 5, 6, -(2**63), 2**63 - 1)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 4


def test_without_a_seed_texts_differ(client: httpx.Client) -> None:
    texts = {generate(client, "The film", temperature=1, top_p=1, max_tokens=40)["text"] for _ in range(3)}
    assert len(texts) > 1


def test_each_prompt_of_a_list_has_its_own_random_numbers(client: httpx.Client) -> None:
    options: dict[str, Any] = {"temperature": 1, "top_p": 1, "max_tokens": 30}
    together = post(client, "/v1/generate", prompt=["The film", "The film", "이 영화"], seed=7, **options)
    assert together[0]["text"] != together[1]["text"]
    alone = [generate(client, p, seed=7 + i, **options) for i, p in enumerate(["The film", "The film", "이 영화"])]
    assert together == alone


@pytest.mark.parametrize("max_tokens", [1, 7, 300])
def test_max_tokens_is_honoured(client: httpx.Client, max_tokens: int) -> None:
    result = generate(client, "The film", max_tokens=max_tokens, **ENDLESS)
    assert result["finish_reason"] == "length"
    assert result["usage"]["completion_tokens"] == max_tokens


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("length", [1, 3, 9])
def test_the_text_ends_before_a_stop_text(client: httpx.Client, length: int, streamed: bool) -> None:
    options: dict[str, Any] = {"prompt": "The film", "temperature": 1, "top_p": 0.9, "max_tokens": 48}
    seed, text = max(
        ((seed, generate(client, seed=seed, **options)["text"]) for seed in range(3)), key=lambda pair: len(pair[1])
    )
    assert len(text) > 20
    stop = text[len(text) // 2 :][:length]
    body = {**options, "seed": seed, "stop": [stop, "not in the text"]}
    if streamed:
        pieces = events(client, **body)
        assert joined(pieces) == text[: text.find(stop)]
        assert pieces[-1]["finish_reason"] == "stop"
    else:
        result = generate(client, **body)
        assert result["text"] == text[: text.find(stop)]
        assert result["finish_reason"] == "stop"
        assert result["usage"]["completion_tokens"] <= 48


def test_a_tiny_temperature_is_greedy(client: httpx.Client) -> None:
    """Scores were once divided by it until they were no numbers, and any token came."""
    greedy = generate(client, "The film", temperature=0, max_tokens=12)
    assert generate(client, "The film", temperature=1e-300, max_tokens=12) == greedy


@pytest.mark.parametrize("top_p", [1e-6, 1e-46, 1e-300])
def test_a_tiny_top_p_leaves_the_likeliest(client: httpx.Client, top_p: float) -> None:
    """It was once rounded to 0, which switched the filter off."""
    greedy = generate(client, "The film", temperature=0, max_tokens=12)
    assert generate(client, "The film", temperature=1, top_p=top_p, max_tokens=12) == greedy


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_k": 100_000},
        {"top_p": 1e-300},
        {"min_p": 1},
        {"temperature": 5, "top_p": 1},
        {"repetition_penalty": 10, "frequency_penalty": 2},
        {"repetition_penalty": 0.01, "frequency_penalty": -2},
        {"stop": []},
        {"stop": [chr(ord("a") + number) * 200 for number in range(16)]},
    ],
    ids=lambda options: ",".join(options),
)
def test_generation_at_the_bounds_of_its_parameters(client: httpx.Client, options: dict[str, Any]) -> None:
    result = generate(client, "The film", seed=1, max_tokens=16, **options)
    assert result["usage"]["completion_tokens"] <= 16


def test_top_k_1_is_greedy(client: httpx.Client) -> None:
    greedy = generate(client, "The film", temperature=0, max_tokens=12)
    assert generate(client, "The film", temperature=1, top_k=1, max_tokens=12) == greedy


# Streams


@pytest.mark.parametrize("prompt", ["The film", "이 영화", "", "💖"])
def test_a_stream_joined_is_the_text(client: httpx.Client, prompt: str) -> None:
    body: dict[str, Any] = {"prompt": prompt, "seed": 3, "temperature": 1, "max_tokens": 40}
    pieces = events(client, **body)
    whole = generate(client, **body)
    assert joined(pieces) == whole["text"]
    last = pieces[-1]
    assert (last["finish_reason"], last["usage"]) == (whole["finish_reason"], whole["usage"])
    assert all(set(piece) == {"index", "text"} for piece in pieces[:-1])


def test_several_prompts_in_one_stream_have_their_index(client: httpx.Client) -> None:
    body = {"prompt": ["The film", "이 영화", "Der Mann"], "seed": 3, "temperature": 1, "max_tokens": 24}
    pieces = events(client, **body)
    for index, whole in enumerate(post(client, "/v1/generate", **body)):
        own = [piece for piece in pieces if piece["index"] == index]
        assert joined(pieces, index) == whole["text"]
        assert own[-1]["finish_reason"] == whole["finish_reason"]
        assert own[-1]["usage"] == whole["usage"]
        assert all("finish_reason" not in piece for piece in own[:-1])
    assert {piece["index"] for piece in pieces} == {0, 1, 2}


def test_a_stream_comes_piece_by_piece(client: httpx.Client) -> None:
    pieces = events(client, prompt="The film", max_tokens=30, **ENDLESS)
    assert len(pieces) > 10


@pytest.mark.parametrize("streamed", [True, False])
def test_an_abandoned_request_frees_its_rows(client: httpx.Client, streamed: bool) -> None:
    """Only streams noticed that their client had gone; other requests were written to the end for nobody."""
    before = metric(client, "rondo_requests_cancelled_total")
    body = {"prompt": ["The film"] * 24, "max_tokens": 2048, "stream": streamed, **ENDLESS}
    timeout = httpx.Timeout(30.0, read=30.0 if streamed else 0.5)
    with httpx.Client(base_url=client.base_url, timeout=timeout) as leaving:
        if streamed:
            with leaving.stream("POST", "/v1/generate", json=body) as reply:
                lines = reply.iter_lines()  # kept, since its end is the end of the connection
                assert next(lines).startswith("data: ")
                wait_until(lambda: metric(client, "rondo_num_rows_running") == 24)
        else:
            with pytest.raises(httpx.ReadTimeout):
                leaving.post("/v1/generate", json=body)
    wait_until(lambda: metric(client, "rondo_num_rows_running") == 0)
    assert metric(client, "rondo_requests_cancelled_total") == before + 24
    assert client.get("/health/ready").status_code == 200
    assert generate(client, "The film", max_tokens=2)["usage"]["completion_tokens"] <= 2
