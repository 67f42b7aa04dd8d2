"""The command as a process: against a registry as it is run elsewhere, and interrupted."""

import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from tests.certificates import new_certificate
from tests.services.delivery.servers import running_server
from tests.system.registries import MISSING, private_registry, program

from rondo_services.server.settings import default_bundle

COMMAND = [sys.executable, "-m", "rondo_services.cli", "bundle"]


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}}


def _run(home: Path, *arguments: str, trusted: Path | None = None) -> str:
    environment = _environment(home) | ({} if trusted is None else {"SSL_CERT_FILE": str(trusted)})
    ended = subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def _held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_registry_keeps_and_gives_the_bundle(tmp_path: Path) -> None:
    registry = program()
    if registry is None:
        pytest.skip(MISSING)
    with private_registry(registry, tmp_path) as host:
        digest = _run(tmp_path, "push", f"oci://{host}/team/rondo:1")
        assert _run(tmp_path, "push", f"oci://{host}/team/rondo:2") == digest
        out = tmp_path / "bundles" / "own"
        assert _run(tmp_path, "pull", f"oci://{host}/team/rondo@{digest}", "--output", str(out)) == digest
        assert _held(out) == _held(default_bundle())
        accepted = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        told = httpx.get(f"http://{host}/v2/team/rondo/manifests/2", headers=accepted)
        assert told.headers["Docker-Content-Digest"] == digest
        assert told.json()["annotations"]["org.opencontainers.image.title"] == "rondo-base"
    assert _run(tmp_path, "pull", f"oci://{host}/team/rondo@{digest}", "--output", str(out)) == digest


def test_over_tls(tmp_path: Path) -> None:
    certificate = new_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.chain, certificate.key)
    with running_server(tls) as server:
        place = f"oci://localhost:{server.server_port}/own:1"
        digest = _run(tmp_path, "push", place, "--no-plain-http", trusted=certificate.chain)
        out = str(tmp_path / "own")
        pinned = f"{place}@{digest}"
        assert _run(tmp_path, "pull", pinned, "--output", out, "--no-plain-http", trusted=certificate.chain) == digest
        ended = subprocess.run(
            [*COMMAND, "pull", place, "--no-plain-http"],
            env=_environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in ended.stderr
    assert not (tmp_path / "bundles" / "rondo-base").exists()


class _Stalls(BaseHTTPRequestHandler):
    """Sends the beginning of an archive, and nothing after it."""

    began = threading.Event()
    ends = threading.Event()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.wfile.flush()
        self.began.set()
        self.ends.wait()


@pytest.fixture
def stalling() -> Iterator[str]:
    """URL of an archive that never comes whole."""
    _Stalls.began.clear()
    _Stalls.ends.clear()
    with HTTPServer(("127.0.0.1", 0), _Stalls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/own.tar"
        finally:
            _Stalls.ends.set()
            server.shutdown()
            thread.join()


def _entries(folder: Path) -> Sequence[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pull_leaves_nothing(stalling: str, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "bundles"
    process = subprocess.Popen(
        [*COMMAND, "pull", stalling, "--output", str(out / "own")], env=_environment(tmp_path), stderr=subprocess.PIPE
    )
    assert _Stalls.began.wait(60)
    assert _entries(out)[0].startswith(".own.delivery-")
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told == b""
    assert _entries(out) == []
