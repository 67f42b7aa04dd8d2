"""Servers as child processes: start them, wait until they are ready, read what they used, stop them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

HOST = "127.0.0.1"
_LONGEST_START_S = 120.0
_LONGEST_STOP_S = 30.0
_POLL_S = 0.02

Metrics = dict[tuple[str, str], float]
"""By name and by the value of the first label, which may be empty."""


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """A server on its own port, from entering the `with` block to leaving it.

    Attributes:
        startup_s: from the start of the process to the first 200 of `/health/ready`.
    """

    def __init__(self, name: str, command: Sequence[str], port: int, environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = port
        self.startup_s = 0.0
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ServerProcess":
        self._log = tempfile.TemporaryFile()
        began = time.perf_counter()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self._environment,
            start_new_session=True,
        )
        try:
            while not self._is_ready():
                if self._process.poll() is not None or time.perf_counter() - began > _LONGEST_START_S:
                    self._log.seek(0)
                    raise RuntimeError(f"{self.name} did not start: {self._log.read().decode(errors='replace')}")
                time.sleep(_POLL_S)
        except BaseException:
            self._stop()
            raise
        self.startup_s = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_LONGEST_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):  # a server may leave children behind
            os.killpg(self.pid, signal.SIGKILL)
        self._log.close()

    def _is_ready(self) -> bool:
        try:
            self.request("GET", "/health/ready")
        except (OSError, RuntimeError):
            return False
        return True

    def request(self, method: str, path: str, body: str | None = None) -> bytes:
        """The body of a reply.

        Raises:
            RuntimeError: the status is not 200.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else body.encode(), headers)
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{self.name} {path}: {reply.status} {content.decode(errors='replace')}")
        return content

    def answer(self, path: str, body: str) -> dict[str, Any]:
        """The first result of a reply."""
        result: dict[str, Any] = json.loads(self.request("POST", path, body))["results"][0]
        return result

    def metrics(self) -> Metrics:
        """What `/metrics` says now; histograms by their sums and counts."""
        text = self.request("GET", "/metrics").decode()
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.name.endswith("_bucket")
        }

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process is not None
        return self._process.pid

    def _each_stat(self) -> Iterator[tuple[int, list[str]]]:
        """Number and `/proc/PID/stat` (from the state on) of the server's own process and of those it has started."""
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(fields[3]) == self.pid:  # its session
                    yield pid, fields

    def cpu_s(self) -> float:
        """Processor time used so far by all threads of all its running processes."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._each_stat())
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Resident memory in 10⁶ bytes; what several of its processes share is counted in each."""
        return self._memory_mb("status", "VmRSS:")

    def proportional_mb(self) -> float:
        """The same, but of what is shared, also with processes that are not its own, each has its part."""
        return self._memory_mb("smaps_rollup", "Pss:")

    def _memory_mb(self, file: str, name: str) -> float:
        """The sum of one line of a file that each of its processes has in `/proc`."""
        kibibytes = 0
        for pid, _ in self._each_stat():
            for line in Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines():
                if line.startswith(name):
                    kibibytes += int(line.split()[1])
        return kibibytes * 1024 / 1e6
