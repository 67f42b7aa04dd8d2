"""The pod of the overlay `single`, run by Podman from the real image: `make kube-test`."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.deploy.kubernetes.manifests import workloads
from tests.deploy.kubernetes.podman import PlayedPod, play

from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance

IMAGE = os.environ.get("RONDO_TEST_IMAGE", "")
START_TIMEOUT_S = 60.0
ROTATION_TIMEOUT_S = 10.0
ASKED: dict[str, dict[str, Any]] = {
    "/v1/sentiment": {"text": "What a wonderful, touching film!"},
    "/v1/generate": {"prompt": "The film was", "max_tokens": 8},
    "/v1/summarize": {"text": "The boat was slow. It came late. Nobody was angry about it.", "max_tokens": 12},
    "/v1/translate": {"text": "Wo ist der Bahnhof?", "target": "en"},
}
NUM_LONG = 32
"""So many take a few seconds."""

LONG = {"max_tokens": 300, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="RONDO_TEST_IMAGE names no image; `make kube-test` does"),
    pytest.mark.skipif(shutil.which("podman") is None, reason="Podman is not installed"),
]


class Running:
    """A pod that is ready, and a client with a key of it."""

    def __init__(self, pod: PlayedPod, url: str, key: str) -> None:
        self.pod = pod
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60.0, headers={"Authorization": f"Bearer {key}"})
        self.stranger = httpx.Client(base_url=url, timeout=60.0)

    def wait_until_ready(self) -> None:
        """As the startup probe does."""
        (server,) = workloads("single")
        path = server.container["startupProbe"]["httpGet"]["path"]
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if self.stranger.get(path).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"the pod was not ready in time: {self.pod.log()}"
            time.sleep(0.1)

    def wait_for_rows(self, count: int) -> None:
        """Return once so many sequences are being written."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while f"\nrondo_num_rows_running {count}.0\n" not in self.client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.01)


Start = Callable[[], AbstractContextManager[Running]]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _new_key(folder: Path, name: str) -> str:
    return KeyFile(folder).create(name, Allowance(), None, datetime.now(UTC))[1]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a pod; it is gone at the end."""

    @contextmanager
    def started() -> Iterator[Running]:
        folder = tmp_path_factory.mktemp("pod")
        key, port = _new_key(folder, "main"), _free_port()
        pod = play("single", IMAGE, port, folder / "keys.json", folder)
        running = Running(pod, f"http://127.0.0.1:{port}", key)
        try:
            with running.client, running.stranger:
                running.wait_until_ready()
                yield running
        finally:
            pod.clear_away()

    return started


@pytest.fixture(scope="module")
def running(start: Start) -> Iterator[Running]:
    """A pod that many tests share."""
    with start() as one:
        yield one


@pytest.mark.parametrize("path", ASKED)
def test_each_service_answers_who_has_a_key(running: Running, path: str) -> None:
    reply = running.client.post(path, json=ASKED[path])
    assert reply.status_code == 200
    assert len(reply.json()["results"]) == 1


def test_who_has_no_key_gets_401(running: Running) -> None:
    for path in ASKED:
        refused = running.stranger.post(path, json=ASKED[path])
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")
    assert running.stranger.get("/metrics").status_code == 401
    assert running.stranger.get("/health/live").status_code == 200


def test_a_changed_secret_is_seen_without_a_restart(running: Running, tmp_path: Path) -> None:
    new = _new_key(tmp_path, "rotated")
    secret, before = running.pod.keys_file(), running.pod.inspected()["State"]["StartedAt"]
    old = secret.read_bytes()

    def status(key: str) -> int:
        body = ASKED["/v1/sentiment"]
        return running.stranger.post("/v1/sentiment", json=body, headers={"X-API-Key": key}).status_code

    def replace(content: bytes) -> None:
        fresh = secret.with_name("fresh")
        fresh.write_bytes(content)
        shutil.copystat(secret, fresh)
        os.utime(fresh)
        os.replace(fresh, secret)

    assert status(new) == 401
    replace((tmp_path / "keys.json").read_bytes())
    deadline = time.monotonic() + ROTATION_TIMEOUT_S
    while status(new) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.client.post("/v1/sentiment", json=ASKED["/v1/sentiment"]).status_code == 401
    replace(old)
    while running.client.post("/v1/sentiment", json=ASKED["/v1/sentiment"]).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.pod.inspected()["State"]["StartedAt"] == before


def test_the_pod_can_do_no_more_than_it_must(running: Running) -> None:
    status = dict(
        line.split(":\t", 1) for line in running.pod.execute("/bin/cat", "/proc/1/status").stdout.splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert running.pod.inspected()["HostConfig"]["ReadonlyRootfs"] is True
    refused = running.pod.execute("/bin/touch", "/opt/rondo/here")
    assert "Read-only file system" in refused.stderr
    for folder in ("/tmp", "/var/lib/rondo"):
        assert running.pod.execute("/bin/touch", f"{folder}/here").returncode == 0


def test_what_runs_before_the_end_is_in_the_image(running: Running) -> None:
    (server,) = workloads("single")
    program, _ = server.container["lifecycle"]["preStop"]["exec"]["command"]
    assert running.pod.execute(program, "0").returncode == 0


def test_memory_is_limited_and_suffices(running: Running) -> None:
    long = "The boat was slow and came late, but nobody on board was angry about it. " * 900
    reply = running.client.post("/v1/sentiment", json={"text": [long] * 4})
    assert reply.status_code == 200
    state = running.pod.inspected()
    assert state["HostConfig"]["Memory"] == 1 << 30
    assert state["State"]["OOMKilled"] is False


def test_a_state_goes_on_in_another_pod_and_the_end_waits_for_requests(running: Running, start: Start) -> None:
    """The pod is ended while replies are being written: they come whole, and the server ends well."""
    (server,) = workloads("single")
    begun = running.client.post("/v1/generate", json={"prompt": "The film", "max_tokens": 8, "return_state": True})
    state = begun.json()["results"][0]["state"]
    with start() as other:
        gone_on = other.client.post("/v1/generate", json={"prompt": "", "state": state, "max_tokens": 8})
        assert gone_on.status_code == 200

        body = {"prompt": ["The film"] * NUM_LONG, **LONG}
        with ThreadPoolExecutor(2) as pool:
            whole = pool.submit(other.client.post, "/v1/generate", json=body)
            streamed = pool.submit(other.client.post, "/v1/generate", json={**body, "stream": True})
            other.wait_for_rows(2 * NUM_LONG)
            assert not whole.done()
            assert not streamed.done()
            ended = other.pod.end(server.pod["terminationGracePeriodSeconds"])
            results = whole.result().json()["results"]
            assert [result["usage"]["completion_tokens"] for result in results] == [300] * NUM_LONG
            assert streamed.result().text.count('"completion_tokens":300,') == NUM_LONG
            assert streamed.result().text.endswith("data: [DONE]\n\n")
            assert ended == 0
        other.pod.down()
        with pytest.raises(httpx.ConnectError):
            other.stranger.get("/health/live")
