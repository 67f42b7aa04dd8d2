"""The servers that are compared, each over the same weights: how they are started."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.places import BENCHMARKS, PEERS_PYTHON
from benchmarks.processes import HOST, ServerProcess, free_port
from benchmarks.reporting import THREADS

RONDO, NAIVE, LITSERVE = "rondo", "naive", "litserve"


@dataclass(frozen=True, slots=True)
class LitServeSettings:
    """What can be chosen in LitServe besides the size of a batch.

    Attributes:
        batch_timeout_ms: how long a batch waits to be filled.
        fast_queue: whether replies go through ZeroMQ, not through a manager's process.
    """

    batch_timeout_ms: float
    fast_queue: bool


def rondo_server(bundle: Path, services: Sequence[str], again_as: Sequence[str] = ()) -> ServerProcess:
    """`rondo serve`.

    Args:
        again_as: names under which the bundle is served once more each, by an engine of its own.
    """
    port = free_port()
    command = [str(Path(sys.executable).with_name("rondo")), "serve", "--bundle", str(bundle)]
    command += [f"--bundle={name}={bundle}" for name in again_as]
    command += ["--host", HOST, "--port", str(port), "--services", ",".join(services)]
    return ServerProcess(RONDO, command, port, {"RONDO_THREADS": str(THREADS)})


def naive_server(bundle: Path) -> ServerProcess:
    """FastAPI, one request at a time."""
    port = free_port()
    command = [sys.executable, str(BENCHMARKS / "naive_server.py"), "--bundle", str(bundle)]
    return ServerProcess(NAIVE, [*command, "--port", str(port)], port, {})


def litserve_server(bundle: Path, settings: LitServeSettings) -> ServerProcess:
    """LitServe with dynamic batching, from the peers' environment; it has sentiment only."""
    port = free_port()
    command = [str(PEERS_PYTHON), str(BENCHMARKS / "litserve_server.py"), "--bundle", str(bundle)]
    command += ["--port", str(port), "--batch-timeout-ms", str(settings.batch_timeout_ms)]
    command += ["--fast-queue" if settings.fast_queue else "--no-fast-queue"]
    return ServerProcess(LITSERVE, command, port, {"OMP_NUM_THREADS": str(THREADS)})
