"""The server as a process: how it is started, and how it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import httpx


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    @property
    def log(self) -> Path: ...

    def terminate(self) -> int: ...


Launch = Callable[..., AbstractContextManager[Server]]

ENDLESS = {"max_tokens": 300, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}


def _rows_running(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("rondo_num_rows_running ")).split()[1])


def test_requests_that_run_at_sigterm_are_answered(launch: Launch) -> None:
    """The process once ended with status -15 after a graceful stop; PORT is read from the environment here."""
    with launch(port_variable=True) as server, ThreadPoolExecutor(2) as pool:
        body: dict[str, Any] = {"prompt": ["The film"] * 4, **ENDLESS}
        whole = pool.submit(server.client.post, "/v1/generate", json=body)
        streamed = pool.submit(server.client.post, "/v1/generate", json={**body, "stream": True})
        while _rows_running(server.client) < 8:
            assert not whole.done()
        status = server.terminate()
        reply = whole.result()
        assert reply.status_code == 200
        assert {result["usage"]["completion_tokens"] for result in reply.json()["results"]} == {300}
        assert streamed.result().text.endswith("data: [DONE]\n\n")
        assert status == 0


def test_only_the_services_asked_for_are_served(launch: Launch) -> None:
    with launch("--services", "sentiment") as server:
        client = server.client
        assert client.post("/v1/sentiment", json={"text": "A good film."}).status_code == 200
        for path in ("/v1/generate", "/v1/summarize", "/v1/translate"):
            assert client.post(path, json={"text": "A good film."}).status_code == 404
        assert [card["id"].split("/")[1] for card in client.get("/v1/models").json()["data"]] == ["sentiment"]
        assert "/v1/generate" not in client.get("/openapi.json").json()["paths"]


def test_what_a_file_says_is_served(launch: Launch, tmp_path: Path) -> None:
    file = tmp_path / "rondo.toml"
    file.write_text('services = ["sentiment"]\nmax_text_tokens = 5\n')
    others = {"max_text_tokens": "10000", "port": "tcp://10.0.0.1:8000", "service_host": "10.0.0.1"}
    with launch("--config", str(file), settings=others) as server:
        assert server.client.post("/v1/translate", json={"text": "a", "target": "de"}).status_code == 404
        long = server.client.post("/v1/sentiment", json={"text": "one two three four five six seven eight"})
        assert long.status_code == 422
        assert "of Kubernetes (enableServiceLinks): RONDO_PORT, RONDO_SERVICE_HOST" in server.log.read_text()
