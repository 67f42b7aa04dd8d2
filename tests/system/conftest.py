"""The real server as a process of its own, over the bundle that comes with Rondo."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
METRIC_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A process that answers on 127.0.0.1, and a client of it; `log` is what it writes."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    def engine_pid(self) -> int | None:
        """The engine's process, if it has one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        named = [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "rondo-engine"]
        return named[0] if named else None

    def metric(self, name: str) -> float:
        """The value of a metric without labels now."""
        lines = self.client.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None:
        """Return once this holds of the metric."""
        deadline = time.monotonic() + METRIC_TIMEOUT_S
        while not holds(now := self.metric(name)):
            assert time.monotonic() < deadline, f"{name} is still {now}"

    def terminate(self) -> int:
        """Ask it to end as a container runtime does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)


Launch = Callable[..., AbstractContextManager[RunningServer]]


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready in time")


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Start a server, with `settings` as RONDO_ variables.

    With `port_variable` its port is given in the environment instead of on the command line. A server that speaks TLS
    is asked with the certificates to `trust`.

    At the end it is told to stop, unless it has ended already; it must end with status 0 and no traceback.
    """

    @contextmanager
    def running(
        *arguments: str,
        port_variable: bool = False,
        settings: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> Iterator[RunningServer]:
        port = str(free_port())
        environment = {k: v for k, v in os.environ.items() if k not in ("HOST", "PORT") and not k.startswith("RONDO_")}
        environment["RONDO_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))
        environment.update({f"RONDO_{name.upper()}": value for name, value in (settings or {}).items()})
        command = [sys.executable, "-m", "rondo_services.cli", "serve", *arguments]
        if port_variable:
            environment["PORT"] = port
        else:
            command += ["--port", port]
        log: Path = tmp_path_factory.mktemp("server") / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            url = f"{'http' if trust is None else 'https'}://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=60.0, verify=trust or True) as client:
                _wait_until_ready(client, process)
                server = RunningServer(process, client, log)
                yield server
                status = server.terminate() if process.poll() is None else process.returncode
            assert status == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    return running


@pytest.fixture(scope="session")
def server(launch: Launch) -> Iterator[RunningServer]:
    """A server with all services, which many tests share."""
    with launch() as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> httpx.Client:
    """A client of the shared server."""
    return server.client
