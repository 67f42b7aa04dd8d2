"""A real OCI registry of the tests' own: the program of the distribution project, if it is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

MISSING = "no OCI registry is installed (Debian: apt-get install docker-registry)"
_START_TIMEOUT_S = 30.0
_CONFIG = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{folder}"}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def program() -> str | None:
    """Its path, if there is one."""
    return shutil.which("docker-registry") or shutil.which("registry")


@contextmanager
def private_registry(program: str, folder: Path) -> Iterator[str]:
    """Host and port of a new registry, which keeps everything in a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "registry.yml"
    config.write_text(_CONFIG.format(folder=folder / "kept", port=port))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/").raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "registry.log").read_text()
                assert time.monotonic() < deadline, "the registry was not ready in time"
                time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()
