"""Jobs outlive servers."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
from tests.system.asking import wait_until
from tests.system.conftest import Launch

NUM_REQUESTS = 400


def _batch(client: httpx.Client) -> str:
    """One of many requests; its path."""
    body = {"model": "generation", "prompt": "The film", "max_tokens": 30}
    lines = [
        {"custom_id": str(n), "method": "POST", "url": "/v1/completions", "body": {**body, "seed": n}}
        for n in range(NUM_REQUESTS)
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines)
    file = client.post("/v1/files", files={"file": ("a.jsonl", data)}, data={"purpose": "batch"}).json()
    asked = {"input_file_id": file["id"], "endpoint": "/v1/completions", "completion_window": "24h"}
    return f"/v1/batches/{client.post('/v1/batches', json=asked).json()['id']}"


def _state(client: httpx.Client, path: str) -> dict[str, Any]:
    content: dict[str, Any] = client.get(path).json()
    return content


def test_a_server_that_is_told_to_stop_leaves_the_rest_to_the_next(launch: Launch, tmp_path: Path) -> None:
    """Also while somebody listens to a job that has not begun, as the batch is before it."""
    settings = {"state_dir": str(tmp_path)}
    heard: list[str] = []
    with launch("--services", "generation", settings=settings) as server:
        client, batch = server.client, _batch(server.client)
        file = client.post("/v1/files", files={"file": ("a.txt", "The film.\n")}, data={"purpose": "job"}).json()
        asked = {"service": "generation", "input": {"source": file["id"]}, "options": {"max_tokens": 4}}
        job = f"/v1/jobs/{client.post('/v1/jobs', json=asked).json()['id']}"
        heard_first = threading.Event()

        def listen() -> None:
            with httpx.stream("GET", f"{client.base_url}{job}/events", timeout=60) as events:
                for line in events.iter_lines():
                    heard.append(line)
                    heard_first.set()

        listening = threading.Thread(target=listen)
        listening.start()
        assert heard_first.wait(30)
        wait_until(lambda: _state(client, batch)["request_counts"]["completed"] > 0)
        assert server.terminate() == 0
        listening.join()
    assert heard[0] == "event: progress"
    with launch("--services", "generation", settings=settings) as server:
        client = server.client
        wait_until(lambda: _state(client, job)["state"] == "done", 120)
        wait_until(lambda: _state(client, batch)["status"] == "completed", 120)
        ended = _state(client, batch)
        assert ended["request_counts"] == {"total": NUM_REQUESTS, "completed": NUM_REQUESTS, "failed": 0}
        output = client.get(f"/v1/files/{ended['output_file_id']}/content").text.splitlines()
        assert [json.loads(line)["custom_id"] for line in output] == [str(n) for n in range(NUM_REQUESTS)]
        result = client.get(f"{job}/result").text.splitlines()
        assert json.loads(result[0])["text"] == "The film."
        assert len(server.log.read_text().splitlines()) == 1  # none for each request of a batch
