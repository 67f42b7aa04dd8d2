"""SIGTERM while requests run and others wait for them: each is answered, and the process ends well."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

import httpx

NUM_ROWS = 16
NUM_REQUESTS = 2 * NUM_ROWS
BODY: dict[str, Any] = {
    "prompt": "The film",
    "max_tokens": 300,
    "temperature": 0,
    "repetition_penalty": 0.01,
    "frequency_penalty": -2,
}


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...

    def terminate(self) -> int: ...


Launch = Callable[..., AbstractContextManager[Server]]


def test_sigterm_under_load_loses_no_request(launch: Launch) -> None:
    with (
        launch("--services", "generation", settings={"max_rows": str(NUM_ROWS)}) as server,
        ThreadPoolExecutor(NUM_REQUESTS) as pool,
    ):
        asked = [
            pool.submit(server.client.post, "/v1/generate", json={**BODY, "stream": number % 2 == 1})
            for number in range(NUM_REQUESTS)
        ]
        server.wait_for_metric("rondo_num_requests_waiting", lambda waiting: waiting == NUM_REQUESTS - NUM_ROWS)
        server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == NUM_ROWS)
        assert server.terminate() == 0
        for number, future in enumerate(asked):
            reply = future.result()
            assert reply.status_code == 200
            if number % 2 == 1:
                assert '"completion_tokens":300,' in reply.text
                assert reply.text.endswith("data: [DONE]\n\n")
            else:
                assert reply.json()["results"][0]["usage"]["completion_tokens"] == 300
