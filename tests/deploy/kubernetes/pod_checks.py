"""The pod of the overlay `single`, run by Podman from the real image: `make kube-test`."""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.deploy.kubernetes.manifests import workloads
from tests.deploy.kubernetes.running import RunningPod, new_key, running

ROTATION_TIMEOUT_S = 10.0
(SERVER,) = workloads("single")
ASKED: dict[str, dict[str, Any]] = {
    "/v1/sentiment": {"text": "What a wonderful, touching film!"},
    "/v1/generate": {"prompt": "The film was", "max_tokens": 8},
    "/v1/summarize": {"text": "The boat was slow. It came late. Nobody was angry about it.", "max_tokens": 12},
    "/v1/translate": {"text": "Wo ist der Bahnhof?", "target": "en"},
}
NUM_LONG = 32
"""So many take a few seconds."""

LONG = {"max_tokens": 300, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    """One that many tests share."""
    with running(SERVER, tmp_path_factory.mktemp("pod")) as one:
        yield one


@pytest.mark.parametrize("path", ASKED)
def test_each_service_answers_who_has_a_key(pod: RunningPod, path: str) -> None:
    reply = pod.client.post(path, json=ASKED[path])
    assert reply.status_code == 200
    assert len(reply.json()["results"]) == 1


def test_who_has_no_key_gets_401(pod: RunningPod) -> None:
    for path in ASKED:
        refused = pod.stranger.post(path, json=ASKED[path])
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")
    assert pod.stranger.get("/metrics").status_code == 401
    assert pod.stranger.get("/health/live").status_code == 200


def test_a_changed_secret_is_seen_without_a_restart(pod: RunningPod, tmp_path: Path) -> None:
    new = new_key(tmp_path, "rotated")
    secret, before = pod.pod.keys_file(), pod.pod.inspected()["State"]["StartedAt"]
    old = secret.read_bytes()

    def status(key: str) -> int:
        body = ASKED["/v1/sentiment"]
        return pod.stranger.post("/v1/sentiment", json=body, headers={"X-API-Key": key}).status_code

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
    assert pod.client.post("/v1/sentiment", json=ASKED["/v1/sentiment"]).status_code == 401
    replace(old)
    while pod.client.post("/v1/sentiment", json=ASKED["/v1/sentiment"]).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert pod.pod.inspected()["State"]["StartedAt"] == before


def test_the_pod_can_do_no_more_than_it_must(pod: RunningPod) -> None:
    status = dict(line.split(":\t", 1) for line in pod.pod.execute("/bin/cat", "/proc/1/status").stdout.splitlines())
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert pod.pod.inspected()["HostConfig"]["ReadonlyRootfs"] is True
    refused = pod.pod.execute("/bin/touch", "/opt/rondo/here")
    assert "Read-only file system" in refused.stderr
    for folder in ("/tmp", "/var/lib/rondo"):
        assert pod.pod.execute("/bin/touch", f"{folder}/here").returncode == 0


def test_what_runs_before_the_end_is_in_the_image(pod: RunningPod) -> None:
    program, _ = SERVER.container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod.pod.execute(program, "0").returncode == 0


def test_memory_is_limited_and_suffices(pod: RunningPod) -> None:
    long = "The boat was slow and came late, but nobody on board was angry about it. " * 900
    reply = pod.client.post("/v1/sentiment", json={"text": [long] * 4})
    assert reply.status_code == 200
    state = pod.pod.inspected()
    assert state["HostConfig"]["Memory"] == 1 << 30
    assert state["State"]["OOMKilled"] is False


def test_a_state_goes_on_in_another_pod_and_the_end_waits_for_requests(pod: RunningPod, tmp_path: Path) -> None:
    """The pod is ended while replies are being written: they come whole, and the server ends well."""
    begun = pod.client.post("/v1/generate", json={"prompt": "The film", "max_tokens": 8, "return_state": True})
    state = begun.json()["results"][0]["state"]
    with running(SERVER, tmp_path) as other:
        gone_on = other.client.post("/v1/generate", json={"prompt": "", "state": state, "max_tokens": 8})
        assert gone_on.status_code == 200

        body = {"prompt": ["The film"] * NUM_LONG, **LONG}
        with ThreadPoolExecutor(2) as pool:
            whole = pool.submit(other.client.post, "/v1/generate", json=body)
            streamed = pool.submit(other.client.post, "/v1/generate", json={**body, "stream": True})
            other.wait_for_rows(2 * NUM_LONG)
            assert not whole.done()
            assert not streamed.done()
            ended = other.pod.end(SERVER.pod["terminationGracePeriodSeconds"])
            results = whole.result().json()["results"]
            assert [result["usage"]["completion_tokens"] for result in results] == [300] * NUM_LONG
            assert streamed.result().text.count('"completion_tokens":300,') == NUM_LONG
            assert streamed.result().text.endswith("data: [DONE]\n\n")
            assert ended == 0
        other.pod.down()
        with pytest.raises(httpx.ConnectError):
            other.stranger.get("/health/live")
