"""Two engines on Ray answer as one process does, and what is killed, full or given up costs nobody else."""

import asyncio
import json
import os
import signal
import time
from typing import Any

import httpx
import pytest
from tests.deploy.ray.conftest import MAX_WAITING, RunningCluster
from tests.system.asking import ENDLESS, REVIEWS, TEXTS, metric, wait_until
from tests.system.conftest import RunningServer
from websockets.sync.client import connect

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sentiment": ("/v1/sentiment", {"text": REVIEWS["en"][0]}),
    "sentiments": ("/v1/sentiment", {"text": [*REVIEWS["en"], *REVIEWS["ko"], *TEXTS.values()]}),
    "explained": ("/v1/sentiment", {"text": REVIEWS["en"][1], "explain": True}),
    "translation": ("/v1/translate", {"text": TEXTS["de"], "source": "de", "target": "en"}),
    "translations": ("/v1/translate", {"text": [TEXTS["en"], TEXTS["ko"]] * 4, "target": "de"}),
    "summary": ("/v1/summarize", {"text": " ".join(TEXTS.values()) * 3}),
    "generation": ("/v1/generate", {"prompt": "The weather in", "max_tokens": 24, "temperature": 0}),
    "seeded": ("/v1/generate", {"prompt": ["Once", "Es war", "옛날"], "max_tokens": 16, "seed": 5, "logprobs": 2}),
    "stream": ("/v1/generate", {"prompt": ["The boat", "Das"], "max_tokens": 16, "temperature": 0, "stream": True}),
    "completion": (
        "/v1/completions",
        {"model": "rondo-base", "prompt": "Good morning", "max_tokens": 8, "seed": 1},
    ),
    "wrong": ("/v1/translate", {"text": "Hi", "target": "fr"}),
    "not JSON": ("/v1/sentiment", {}),
}
ENGINE_BACK_S = 60.0
TIMEOUT_S = 30.0


def _told(reply: httpx.Response) -> Any:
    """All but ids and times, and the order in which two prompts of a stream take turns."""
    text = reply.text
    if text.startswith("data: "):
        return sorted(text.split("\n\n"))
    content = json.loads(text)
    for name in ("id", "created"):
        content.pop(name, None)
    return content


@pytest.mark.parametrize("case", CASES)
def test_replies_are_those_of_one_process(ray_client: httpx.Client, alone: RunningServer, case: str) -> None:
    path, body = CASES[case]
    replies = [client.post(path, json=body) for client in (ray_client, alone.client)]
    assert replies[0].status_code == replies[1].status_code
    assert replies[0].headers["content-type"] == replies[1].headers["content-type"]
    assert _told(replies[0]) == _told(replies[1])


def test_a_state_goes_from_one_process_to_the_cluster(cluster: RunningCluster, alone: RunningServer) -> None:
    begun = {"prompt": "The weather in", "max_tokens": 6, "temperature": 0, "return_state": True}
    (first,) = alone.client.post("/v1/generate", json=begun).json()["results"]
    going_on = {"prompt": "", "state": first["state"], "max_tokens": 6, "temperature": 0}
    replies = [client.post("/v1/generate", json=going_on) for client in (cluster.direct, cluster.proxied, alone.client)]
    assert [reply.status_code for reply in replies] == [200] * 3
    assert replies[0].content == replies[1].content == replies[2].content


def test_a_growing_text_is_scored_as_by_one_process(cluster: RunningCluster, alone: RunningServer) -> None:
    """Each of its states may go to another engine."""

    def scored(client: httpx.Client) -> list[Any]:
        url = str(client.base_url.join("/v1/sentiment")).replace("http", "ws", 1)
        with connect(url, proxy=None) as socket:
            replies = []
            for piece in REVIEWS["en"][0].split(" "):
                socket.send(json.dumps({"text": f"{piece} "}))
                replies.append(json.loads(socket.recv(TIMEOUT_S)))
        return replies

    expected = scored(alone.client)
    assert len({reply["num_characters"] for reply in expected}) == len(REVIEWS["en"][0].split(" "))
    assert scored(cluster.direct) == scored(cluster.proxied) == expected


def test_deadlines_and_their_errors_are_those_of_one_process(ray_client: httpx.Client, alone: RunningServer) -> None:
    body = {"prompt": "The", "max_tokens": 2048, **ENDLESS}
    headers = {"X-Request-Timeout-Ms": "300"}
    replies = [client.post("/v1/generate", json=body, headers=headers) for client in (ray_client, alone.client)]
    assert [reply.status_code for reply in replies] == [504, 504]
    assert replies[0].content == replies[1].content


def test_whoever_leaves_frees_the_rows(cluster: RunningCluster, ray_client: httpx.Client) -> None:
    before = metric(cluster.direct, "rondo_requests_cancelled_total")
    body = {"prompt": ["The", "Das", "A", "Ein"], "max_tokens": 2048, "stream": True, **ENDLESS}
    with ray_client.stream("POST", "/v1/generate", json=body) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith("data: ")
        wait_until(lambda: metric(cluster.direct, "rondo_num_rows_running") == 4)
    wait_until(lambda: metric(cluster.direct, "rondo_num_rows_running") == 0)
    wait_until(lambda: metric(cluster.direct, "rondo_requests_cancelled_total") == before + 4)


def test_beginnings_of_prompts_are_read_once(cluster: RunningCluster) -> None:
    """By chance, half of the longer prompts would meet the engine that does not know their beginning."""
    hits = metric(cluster.direct, "rondo_prefix_cache_hits_total")
    routed = metric(cluster.direct, "rondo_ray_routed_by_prefix_total")
    beginnings = [f"{number} boats are on the river today, and all of them are late." for number in range(8)]
    for more in ("", " The first", " The first of them", " The first of them is slow"):
        for beginning in beginnings:
            body = {"prompt": beginning + more, "max_tokens": 2, "temperature": 0}
            assert cluster.direct.post("/v1/generate", json=body).status_code == 200
    assert metric(cluster.direct, "rondo_prefix_cache_hits_total") - hits == 24
    assert metric(cluster.direct, "rondo_ray_routed_by_prefix_total") - routed == 24


def test_what_finds_no_place_is_told_when_to_come_again(ray_client: httpx.Client) -> None:
    """Two engines write 128 sequences and let 96 wait."""

    async def scenario() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        body = {"prompt": "The", "max_tokens": 200, **ENDLESS}
        async with httpx.AsyncClient(base_url=ray_client.base_url, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(client.post("/v1/generate", json=body) for _ in range(400)))

    replies = asyncio.run(scenario())
    refused = [reply for reply in replies if reply.status_code == 429]
    answered = [reply for reply in replies if reply.status_code == 200]
    assert len(refused) + len(answered) == 400
    assert len(answered) >= 2 * MAX_WAITING
    assert refused
    for reply in refused:
        assert reply.json()["error"]["code"] == "overloaded"
        assert int(reply.headers["Retry-After"]) >= 1
    assert len({reply.content for reply in answered}) == 1


async def _stream(client: httpx.AsyncClient, begun: asyncio.Event) -> list[dict[str, Any]]:
    """The events of a stream that goes on until it is cut off or 2,048 tokens have come."""
    body = {"prompt": "The", "max_tokens": 2048, "stream": True, **ENDLESS}
    lines = []
    async with client.stream("POST", "/v1/generate", json=body) as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            begun.set()
            if line:
                lines.append(line.removeprefix("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_killed_engine_costs_only_the_streams_that_it_was_writing(cluster: RunningCluster) -> None:
    """Streams that have begun end with the event of an error; all others are asked again, and another engine comes.

    What is asked fits the places of the engine that is left.
    """
    retried = metric(cluster.direct, "rondo_ray_requests_retried_total")
    (victim, _) = cluster.engine_pids()
    bodies = [CASES[case] for case in ("sentiments", "translation", "generation", "summary", "translations")]

    async def asked(client: httpx.AsyncClient, number: int, until: float) -> list[httpx.Response]:
        replies = []
        while time.monotonic() < until:
            path, body = bodies[number % len(bodies)]
            replies.append(await client.post(path, json=body))
        return replies

    async def scenario() -> tuple[list[httpx.Response], list[list[dict[str, Any]]]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=cluster.direct.base_url, timeout=60, limits=limits) as client:
            begun = [asyncio.Event() for _ in range(6)]
            streams = [asyncio.create_task(_stream(client, own)) for own in begun]
            until = time.monotonic() + 4
            asking = [asyncio.create_task(asked(client, number, until)) for number in range(8)]
            await asyncio.gather(*(own.wait() for own in begun))
            os.kill(victim, signal.SIGKILL)
            replies = [reply for own in await asyncio.gather(*asking) for reply in own]
            return replies, await asyncio.gather(*streams)

    replies, streams = asyncio.run(scenario())
    assert {reply.status_code for reply in replies} == {200}
    assert metric(cluster.direct, "rondo_ray_requests_retried_total") > retried
    broken = [events for events in streams if "error" in events[-1]]
    assert 0 < len(broken) < len(streams)
    for events in broken:
        assert events[-1]["error"]["code"] == "engine_restarted"
    for events in streams:
        assert events in broken or events[-1]["finish_reason"] == "length"
    wait_until(lambda: metric(cluster.direct, "rondo_ray_engines") == 2, ENGINE_BACK_S)
    assert cluster.direct.get("/health/ready").status_code == 200
