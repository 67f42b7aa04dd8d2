"""The metrics that alerts and dashboard name are those of the real server, and a real Prometheus has data for each."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.deploy.monitoring import FOLDER, expressions, metric_names
from tests.system.conftest import free_port

_TIMEOUT_S = 60.0


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def engine_pid(self) -> int | None: ...


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[httpx.Client]:
    """Ask a Prometheus that looks at the target every second, with the settings and alerts of deploy/monitoring."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus)")
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(FOLDER / name) for name in settings["rule_files"]]
    settings["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    own = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *(f"--{name}={value}" for name, value in own.items())], stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1") as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def _query(client: httpx.Client, expression: str) -> list[Any]:
    try:
        reply = client.get("/query", params={"query": expression})
    except httpx.ConnectError:
        return []
    assert reply.status_code in (200, 503), f"{expression}: {reply.text}"  # 503: it starts
    result: list[Any] = reply.json()["data"]["result"] if reply.status_code == 200 else []
    return result


def _ask_all(client: httpx.Client) -> None:
    for path, body in (
        ("/v1/sentiment", {"text": "A good film."}),
        ("/v1/translate", {"text": "Where is the station?", "target": "de"}),
        ("/v1/summarize", {"text": "The council met on Monday. It decided nothing."}),
        ("/v1/generate", {"prompt": "The boat", "max_tokens": 8, "stream": True}),
        ("/v1/generate", {"prompt": "The boat", "max_tokens": 8}),
    ):
        assert client.post(path, json=body).status_code == 200


def _ask_while_the_engine_dies(server: Server) -> None:
    """So there are replies with 503."""
    pid = server.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _TIMEOUT_S
    while server.client.post("/v1/sentiment", json={"text": "A good film."}).status_code != 503:
        assert time.monotonic() < deadline
    while server.client.get("/health/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_expression_has_data(launch: Callable[..., AbstractContextManager[Server]], tmp_path: Path) -> None:
    with launch() as server:
        _ask_while_the_engine_dies(server)
        _ask_all(server.client)
        families = text_string_to_metric_families(server.client.get("/metrics").text)
        told = {sample.name for family in families for sample in family.samples}
        named = set().union(*map(metric_names, expressions()))
        assert named <= told
        assert len(named) > 25  # they were found
        url = server.client.base_url
        with prometheus(f"{url.host}:{url.port}", tmp_path) as client:
            missing = set(expressions())
            deadline = time.monotonic() + _TIMEOUT_S
            while missing := {expression for expression in missing if not _query(client, expression)}:
                assert time.monotonic() < deadline, missing
                time.sleep(0.5)
