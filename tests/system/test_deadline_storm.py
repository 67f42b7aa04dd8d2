"""Hundreds of requests whose clients wait a few milliseconds only: each ends, and the server is well afterwards."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import httpx

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/sentiment", {"text": "The boat is slow, but we like it."}),
    ("/v1/translate", {"text": "Das Boot ist langsam.", "target": "en"}),
    ("/v1/generate", {"prompt": "The film", "max_tokens": 60}),
    ("/v1/summarize", {"text": "배가 천천히 간다. The boat is slow, but we like it."}),
]
TIMEOUTS_MS = (1, 2, 5, 10, 20, 50)
NUM_REQUESTS = 240
EXPIRED = "rondo_requests_expired_total"


class Server(Protocol):
    """What `server` in conftest.py is."""

    @property
    def client(self) -> httpx.Client: ...

    def metric(self, name: str) -> float: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...


async def _storm(base_url: httpx.URL) -> list[httpx.Response]:
    """The replies, in no order."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base_url, timeout=60.0, limits=limits) as client:
        asking = []
        for number in range(NUM_REQUESTS):
            path, body = REQUESTS[number % len(REQUESTS)]
            headers = {"X-Request-Timeout-Ms": str(TIMEOUTS_MS[number // len(REQUESTS) % len(TIMEOUTS_MS)])}
            asking.append(client.post(path, json=body, headers=headers))
        return await asyncio.gather(*asking)


def test_each_request_of_a_deadline_storm_ends(server: Server) -> None:
    before = server.metric(EXPIRED)
    replies = asyncio.run(_storm(server.client.base_url))
    late = [reply for reply in replies if reply.status_code != 200]
    assert Counter((reply.status_code, reply.json()["error"]["code"]) for reply in late).keys() == {(504, "timed_out")}
    assert server.metric(EXPIRED) - before == len(late)  # each of these requests is one text, so one of the engine's
    server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == 0)
    assert server.metric("rondo_num_requests_waiting") == 0
    for path, body in REQUESTS:
        assert server.client.post(path, json=body).status_code == 200
