"""More requests at once than may wait: some are refused with Retry-After, none is lost."""

import asyncio
import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
NUM_REFUSED = 100
WAITING = 4
TEXT = {"text": "The boat is slow, but we like it."}
REFUSED_TOTAL = "rondo_requests_refused_total"
REPLIES_429 = 'rondo_http_replies_total{path="/v1/sentiment",status="429"}'


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def engine_pid(self) -> int | None: ...

    def metric(self, name: str) -> float: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...


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


@contextmanager
def _stopped(server: Server) -> Iterator[None]:
    """The engine's process does nothing meanwhile; for less than the time after which it is taken for hung."""
    pid = server.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class _Raw:
    """A connection on which requests are written as they are."""

    def __init__(self, url: httpx.URL) -> None:
        self.socket = socket.create_connection((url.host, url.port), timeout=30)
        self._file = self.socket.makefile("rb")

    def send(self, *headers: str, body: bytes, last: int | None = None) -> None:
        """Send a request, of its body only what stands before `last`."""
        lines = ["POST /v1/sentiment HTTP/1.1", "Host: rondo", "Content-Type: application/json", *headers]
        self.socket.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body[:last])

    def reply(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        status = int(self._file.readline().split()[1])
        lines = iter(lambda: self._file.readline().decode().strip(), "")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return status, headers, json.loads(self._file.read(int(headers["content-length"])))

    def __enter__(self) -> "_Raw":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self.socket.close()

    def is_closed(self) -> bool:
        """Once the server has ended it in order; a reset raises."""
        return self._file.read() == b""


def test_refusals_need_no_engine_and_leave_the_connection_usable(launch: Launch) -> None:
    """They once waited until the event loop had taken in all that had come before, seconds under overload."""
    with launch("--services", "sentiment", settings={"max_waiting": str(WAITING)}) as server:
        body = json.dumps(TEXT).encode()
        url = server.client.base_url
        with ThreadPoolExecutor(WAITING) as pool, _Raw(url) as one, _Raw(url) as large:
            with _stopped(server):
                waiting = [pool.submit(httpx.post, url.join("/v1/sentiment"), json=TEXT) for _ in range(WAITING)]
                server.wait_for_metric("rondo_num_requests_waiting", lambda count: count == WAITING)
                for number in range(NUM_REFUSED):
                    one.send(f"X-Request-Id: own-{number}", body=body)
                    status, headers, content = one.reply()
                    assert (status, content["error"]["code"]) == (429, "overloaded")
                    assert headers["x-request-id"] == f"own-{number}"
                    assert 1 <= int(headers["retry-after"]) <= 60
                    assert float(headers["x-total-time"]) >= 0
                large.send(body=b" " * 1_000_000)
                assert large.reply()[0] == 429
                assert large.is_closed()
                assert server.client.post("/v1/sentiment", json=TEXT).status_code == 429
                assert server.client.get("/health/ready").status_code == 200
                assert not any(request.done() for request in waiting)
            assert [request.result(60).status_code for request in waiting] == [200] * WAITING
            one.send(body=body)
            assert one.reply()[0] == 200
        assert server.client.post("/v1/sentiment", json=TEXT).status_code == 200
        assert server.metric(REFUSED_TOTAL) == server.metric(REPLIES_429) == NUM_REFUSED + 2


def test_clients_that_send_their_bodies_slowly_keep_no_places(launch: Launch) -> None:
    with launch("--services", "sentiment", settings={"max_waiting": str(WAITING)}) as server:
        body = json.dumps(TEXT).encode()
        with ExitStack() as stack:
            slow = [stack.enter_context(_Raw(server.client.base_url)) for _ in range(4 * WAITING)]
            for connection in slow:
                connection.send(body=body, last=-5)
            for _ in range(20):
                assert server.client.post("/v1/sentiment", json=TEXT).status_code == 200
            for connection in slow:
                connection.socket.sendall(body[-5:])
                assert connection.reply()[0] == 200
