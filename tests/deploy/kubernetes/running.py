"""A server's pod that is ready, with a key of it, for checks of the image."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.deploy.kubernetes.manifests import Workload
from tests.deploy.kubernetes.podman import PlayedPod, SecretsOfNamespace, play

from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance

IMAGE = os.environ.get("RONDO_TEST_IMAGE", "localhost/rondo:test")
START_TIMEOUT_S = 60.0
STATE_KEY = "a key of states that all replicas share"


class RunningPod:
    """One that answers, and two clients: with a key, and without."""

    def __init__(self, pod: PlayedPod, url: str, key: str) -> None:
        self.pod = pod
        self.client = httpx.Client(base_url=url, timeout=60.0, headers={"Authorization": f"Bearer {key}"})
        self.stranger = httpx.Client(base_url=url, timeout=60.0)

    def wait_until_ready(self, path: str) -> None:
        """As the startup probe does."""
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
        while self._num_rows() != count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _num_rows(self) -> float:
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return sum(
            sample.value for one in families for sample in one.samples if sample.name == "rondo_num_rows_running"
        )


@contextmanager
def running(
    server: Workload, folder: Path, others: SecretsOfNamespace | None = None, host_folder: Path | None = None
) -> Iterator[RunningPod]:
    """A server's pod; it is gone at the end.

    Args:
        folder: an empty one for its files.
        others: Secrets besides that of the keys.
        host_folder: as `play` takes it.
    """
    key, port = new_key(folder, "main"), _free_port()
    kept = {"rondo": {"keys.json": (folder / "keys.json").read_text(), "state-key": STATE_KEY}, **(others or {})}
    pod = play(server, IMAGE, folder, kept, port=port, host_folder=host_folder)
    one = RunningPod(pod, f"http://127.0.0.1:{port}", key)
    try:
        with one.client, one.stranger:
            one.wait_until_ready(server.container["startupProbe"]["httpGet"]["path"])
            yield one
    finally:
        pod.clear_away()


def new_key(folder: Path, name: str) -> str:
    """A key that is kept in a folder."""
    return KeyFile(folder).create(name, Allowance(), None, datetime.now(UTC))[1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
