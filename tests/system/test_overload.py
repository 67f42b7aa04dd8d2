"""More requests at once than may wait: some are refused with Retry-After, none is lost."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import httpx

BODY: dict[str, Any] = {
    "prompt": "The film",
    "max_tokens": 100,
    "temperature": 0,
    "repetition_penalty": 0.01,
    "frequency_penalty": -2,
}
NUM_REQUESTS = 200


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def metric(self, name: str) -> float: ...


Launch = Callable[..., AbstractContextManager[Server]]


async def _all_at_once(base_url: httpx.URL) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base_url, timeout=60.0, limits=limits) as client:
        return await asyncio.gather(*(client.post("/v1/generate", json=BODY) for _ in range(NUM_REQUESTS)))


def test_what_is_too_much_is_refused_and_the_rest_answered(launch: Launch) -> None:
    with launch("--services", "generation", settings={"max_waiting": "16", "max_rows": "16"}) as server:
        replies = asyncio.run(_all_at_once(server.client.base_url))
        by_status = Counter(reply.status_code for reply in replies)
        assert by_status.keys() == {200, 429}
        for reply in replies:
            if reply.status_code == 200:
                assert reply.json()["results"][0]["usage"]["completion_tokens"] == BODY["max_tokens"]
            else:
                assert reply.json()["error"]["code"] == "overloaded"
                assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert server.metric("rondo_requests_refused_total") == by_status[429]
        assert server.metric("rondo_num_requests_waiting") == 0
        assert server.client.post("/v1/generate", json=BODY).status_code == 200
