"""What has to hold of the image. Each check says what it measured, or raises AssertionError."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from tests.image.containers import Container, Containers

MOST_BYTES = 1_000_000_000
MOST_RESIDENT_BYTES = 700_000_000
MOST_START_S = 6.0
NUM_STARTS = 5
NUM_STREAMS = 8

_NO_KEYS = {"RONDO_REQUIRE_KEY": "never"}
_REQUESTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("/v1/sentiment", {"text": "A wonderful film."}, "label"),
    ("/v1/translate", {"text": "Where is the station?", "target": "de"}, "translation"),
    ("/v1/summarize", {"text": "The council met on Monday. After long debate it decided nothing."}, "summary"),
    ("/v1/generate", {"prompt": "The boat on the river", "max_tokens": 20, "temperature": 0}, "text"),
)
_STREAM = {
    "prompt": "The film",
    "max_tokens": 600,
    "temperature": 0,
    "repetition_penalty": 0.01,
    "frequency_penalty": -2,
    "stream": True,
}
"""Goes on to its last token."""


def it_adds_little_to_its_base(containers: Containers, base: str) -> str:
    added = containers.size(containers.image) - containers.size(base)
    assert added <= MOST_BYTES, f"{added:,} bytes"
    return f"{added / 1e6:.0f} MB over {base}"


def it_says_how_it_is_run(containers: Containers, base: str) -> str:
    said = containers.configuration()
    assert said["User"] == "10001:10001"
    assert (said["Entrypoint"], said["Cmd"]) == (["rondo"], ["serve"])
    assert "8000/tcp" in said["ExposedPorts"]
    assert "/var/lib/rondo" in said["Volumes"]
    assert said["Healthcheck"]["Test"][-2:] == ["rondo_services.health", "server"]
    labels = said["Labels"]
    for name in ("title", "description", "version", "revision", "licenses", "base.name"):
        assert labels[f"org.opencontainers.image.{name}"], name
    return f"version {labels['org.opencontainers.image.version']}, user {said['User']}"


def it_has_no_compiler_no_pip_and_a_bill_of_materials(containers: Containers, base: str) -> str:
    shell = ("--entrypoint=sh",)
    for program in ("cc", "gcc", "g++", "c++", "ld", "/opt/rondo/venv/bin/pip"):
        assert containers.run("-c", f"command -v {program}", options=shell, check=False).returncode, program
    bill = json.loads(containers.run("-c", "cat /usr/share/doc/rondo/sbom.cdx.json", options=shell).stdout)
    versions = {component["name"].lower(): component["version"] for component in bill["components"]}
    assert not [name for name in versions if name.startswith(("nvidia", "cuda", "triton"))], "no CPU build of PyTorch"
    kernels = containers.run("-c", "ls /opt/rondo/venv/lib/python3*/site-packages/rondo_models/native", options=shell)
    assert kernels.stdout.count("_kernels_") == 6, kernels.stdout
    return f"{len(versions)} packages, torch {versions['torch']}, 6 libraries of kernels"


def it_does_not_serve_everybody_by_default(containers: Containers, base: str) -> str:
    done = containers.run(check=False)
    assert done.returncode == 2
    assert "there is no key" in done.stderr
    return done.stderr.strip().splitlines()[-1]


def it_serves_those_who_have_a_key(containers: Containers, base: str) -> str:
    with containers.volume() as state:
        key = containers.run("keys", "create", "shop", options=[state]).stdout.strip()
        with containers.serving(options=[state], settings={"HOST": "0.0.0.0"}, key=key) as (container, client):
            path, body, _ = _REQUESTS[0]
            assert client.post(path, json=body, headers={"authorization": "Bearer wrong"}).status_code == 401
            assert client.post(path, json=body).status_code == 200
            _assert_healthy(container)
    return "401 without the key, 200 with it; healthy all the same"


def it_starts_fast(containers: Containers, base: str) -> str:
    took_s, processor_s = [], []
    for _ in range(NUM_STARTS):
        began = time.monotonic()
        with containers.serving(settings=_NO_KEYS) as (_, client):
            took_s.append(time.monotonic() - began)
            names = ("process", "rondo_engine_process")
            processor_s.append(sum(_metric(client, f"{name}_cpu_seconds_total") for name in names))
    median_s, load = statistics.median(took_s), os.getloadavg()[0]
    told = (
        f"ready after {median_s:.2f} s (median of {', '.join(f'{s:.2f}' for s in took_s)}), "
        f"of which {statistics.median(processor_s):.2f} s processor time; load of this machine {load:.1f}"
    )
    assert median_s <= MOST_START_S, told
    return told


def it_answers_all_services_in_little_memory_and_writes_nothing(containers: Containers, base: str) -> str:
    with containers.serving(settings=_NO_KEYS) as (container, client):
        for _ in range(20):
            for path, body, field in _REQUESTS:
                reply = client.post(path, json=body)
                assert reply.status_code == 200, reply.text
                assert reply.json()["results"][0][field]
        _assert_healthy(container)
        assert container.execute("id", "-u").stdout.strip() == "10001"
        for path in ("/x", "/opt/rondo/x", "/home/x"):
            assert "Read-only file system" in container.execute("touch", path).stderr
        assert container.execute("touch", "/var/lib/rondo/x", "/tmp/x").returncode == 0
        status = container.execute("cat", "/proc/1/status").stdout
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        resident = sum(_metric(client, f"{name}_resident_memory_bytes") for name in ("process", "rondo_engine_process"))
        assert resident <= MOST_RESIDENT_BYTES, f"{resident:,}"
        assert not container.state()["OOMKilled"]
    return f"{resident / 1e6:.0f} MB resident in both processes, what they share counted twice"


def it_ends_streams_that_run_when_it_is_stopped(containers: Containers, base: str) -> str:
    with (
        containers.serving(settings=_NO_KEYS) as (container, client),
        ThreadPoolExecutor(NUM_STREAMS + 1) as pool,
    ):
        streams = [pool.submit(client.post, "/v1/generate", json=_STREAM) for _ in range(NUM_STREAMS)]
        _until(lambda: _metric(client, "rondo_num_rows_running") == NUM_STREAMS)
        running = sum(not stream.done() for stream in streams)
        assert running == NUM_STREAMS
        took_s = container.stop()
        for stream in streams:
            reply = stream.result()
            assert reply.status_code == 200
            assert '"completion_tokens":600,' in reply.text
            assert reply.text.endswith("data: [DONE]\n\n")
        assert container.state()["ExitCode"] == 0, container.log()
    return f"{running} streams of 600 tokens ended whole, the container {took_s:.1f} s after SIGTERM"


def a_worker_does_the_jobs_of_a_server(containers: Containers, base: str) -> str:
    lines = [json.dumps({"text": text}) for text in ("wonderful", "terrible", "a bad film", "a good film") * 25]
    with (
        containers.volume() as state,
        containers.serving(options=[state], settings={**_NO_KEYS, "RONDO_JOBS": "off"}) as (_, client),
        containers.running("worker", options=[state]) as worker,
    ):
        sent = client.post("/v1/files", data={"purpose": "job"}, files={"file": ("a.jsonl", "\n".join(lines))})
        body = {"service": "sentiment", "input": {"source": sent.json()["id"]}}
        job = client.post("/v1/jobs", json=body).json()["id"]
        _until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
        result = [json.loads(line) for line in client.get(f"/v1/jobs/{job}/result").text.splitlines()]
        assert len(result) == len(lines)
        assert {record["label"] for record in result} == {"positive", "negative"}
        check = worker.execute("python", "-m", "rondo_services.health", "worker")
        assert check.returncode == 0, check.stderr
        took_s = worker.stop()
        assert worker.state()["ExitCode"] == 0, worker.log()
    return f"{len(result)} records; the worker ended {took_s:.1f} s after SIGTERM"


def it_evaluates(containers: Containers, base: str) -> str:
    with tempfile.TemporaryDirectory(prefix="rondo-image-") as name, containers.volume() as state:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "reviews.csv").write_text("text,label\n" + "wonderful,positive\nterrible,negative\n" * 10)
        data = ("--task", "sentiment", "--data", "/data/reviews.csv", "--expected", "label")
        options = [state, f"--volume={folder}:/data:ro"]
        containers.run("evaluate", *data, "--output", "/var/lib/rondo/results", options=options)
        shown = containers.run("/var/lib/rondo/results/report.json", options=[*options, "--entrypoint=cat"]).stdout
    accuracy = json.loads(shown)["metrics"]["accuracy"]
    assert accuracy == 100.0
    return f"accuracy {accuracy} in report.json"


def a_batch_ends_when_it_is_stopped(containers: Containers, base: str) -> str:
    """The kernel keeps SIGTERM from the first process of a container, unless it asked for it."""
    with tempfile.TemporaryDirectory(prefix="rondo-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "long.txt").write_text("The council met on Monday and decided nothing at all.\n" * 200_000)
        batch = ("batch", "translation", "/data/long.txt", "--to", "de", "--output", "/var/lib/rondo/out.jsonl")
        with containers.running(*batch, options=[f"--volume={folder}:/data:ro"]) as container:
            _until(lambda: container.execute("ls", "/var/lib/rondo/.out.jsonl.job").returncode == 0)
            time.sleep(3)
            took_s = container.stop()
            assert took_s < 10, container.log()
            assert container.state()["ExitCode"] == 130, container.log()
    return f"ended {took_s:.1f} s after SIGTERM"


CHECKS: tuple[Callable[[Containers, str], str], ...] = (
    it_adds_little_to_its_base,
    it_says_how_it_is_run,
    it_has_no_compiler_no_pip_and_a_bill_of_materials,
    it_does_not_serve_everybody_by_default,
    it_serves_those_who_have_a_key,
    it_starts_fast,
    it_answers_all_services_in_little_memory_and_writes_nothing,
    it_ends_streams_that_run_when_it_is_stopped,
    a_worker_does_the_jobs_of_a_server,
    it_evaluates,
    a_batch_ends_when_it_is_stopped,
)


def _assert_healthy(container: Container) -> None:
    check = container.execute("python", "-m", "rondo_services.health", "server")
    assert check.returncode == 0, check.stderr


def _metric(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def _until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.01)
