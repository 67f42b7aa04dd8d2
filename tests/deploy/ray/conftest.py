"""Rondo on a local Ray cluster of its own, started as a user does, beside one process that answers the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from benchmarks.processes import free_port
from tests.system.conftest import Launch, RunningServer, launch

__all__ = ["launch"]

PROGRAM = Path(__file__).parents[3] / "deploy" / "ray" / "app.py"
START_TIMEOUT_S, STOP_TIMEOUT_S = 240.0, 60.0
MAX_WAITING = 48
"""Of each engine."""

SETTINGS = {"max_waiting": str(MAX_WAITING), "state_key": "one for both", "max_rows": "64"}

collect_ignore_glob = [] if find_spec("ray") else ["test_*.py"]


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """Two engines and an ingress.

    Attributes:
        direct: a client of the ingress itself.
        proxied: a client of Serve's proxy.
    """

    process: "subprocess.Popen[bytes]"
    direct: httpx.Client
    proxied: httpx.Client

    def engine_pids(self) -> list[int]:
        """Processes of the engines."""
        return [pid for pid in _descendants(self.process.pid) if b"ServeReplica:rondo:engine" in _command(pid)]


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster that all tests share. At the end it is told to stop, and nothing of it may stay."""
    ports = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RONDO_", "RAY_"))}
    environment.update({f"RONDO_{name.upper()}": value for name, value in SETTINGS.items()})
    environment["RONDO_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))
    log: Path = tmp_path_factory.mktemp("ray") / "log.txt"
    command = [sys.executable, str(PROGRAM), "--port", str(ports[0]), "--direct-port", str(ports[1])]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while b"serving on" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        with (
            httpx.Client(base_url=urls[0], timeout=60) as proxied,
            httpx.Client(base_url=urls[1], timeout=60) as direct,
        ):
            yield RunningCluster(process, direct, proxied)
        all_processes = _descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) == 0, log.read_text()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_command(pid) for pid in all_processes):
            assert time.monotonic() < deadline, "some of Ray stayed"
            time.sleep(0.1)
    finally:
        for pid in [*_descendants(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(params=["direct", "proxied"])
def ray_client(cluster: RunningCluster, request: pytest.FixtureRequest) -> httpx.Client:
    """Both ways in."""
    return cluster.direct if request.param == "direct" else cluster.proxied


@pytest.fixture(scope="session")
def alone(launch: Launch) -> Iterator[RunningServer]:
    """One process with the same settings."""
    with launch(settings=SETTINGS) as server:
        yield server
