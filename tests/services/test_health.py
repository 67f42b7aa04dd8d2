"""The check of a container's health says what the server says, and why it can't."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from tests.certificates import new_certificate

from rondo_services.health import Unwell, check_server, check_worker, main


@contextmanager
def serving(status: int, context: SSLContext | None = None) -> Iterator[str]:
    """The port of a server that answers the question for its readiness with a status, and all others with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()
            self.wfile.write(b"the engine is not running")

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("names", [("HOST", "PORT"), ("RONDO_HOST", "RONDO_PORT")])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_ready_server_is_well(names: tuple[str, str], host: str) -> None:
    with serving(200) as port:
        check_server({names[0]: host, names[1]: port})


def test_the_variables_of_rondo_are_stronger() -> None:
    with serving(200) as port:
        check_server({"RONDO_PORT": port, "PORT": "1", "RONDO_HOST": "127.0.0.1", "HOST": "192.0.2.1"})


def test_a_file_is_stronger_than_variables(tmp_path: Path) -> None:
    file = tmp_path / "rondo.toml"
    with serving(200) as port:
        file.write_text(f"port = {port}\nthreads = 2\n")
        check_server({"RONDO_CONFIG": str(file), "RONDO_PORT": "1"})
    file.write_text("port = ")
    with pytest.raises(Unwell, match=r"rondo.toml can't be read as settings"):
        check_server({"RONDO_CONFIG": str(file)})
    with pytest.raises(Unwell, match="No such file"):
        check_server({"RONDO_CONFIG": str(tmp_path / "other.toml")})


def test_a_variable_of_kubernetes_is_no_port() -> None:
    with serving(200) as port:
        check_server({"RONDO_PORT": "tcp://10.0.0.1:8000", "PORT": port})


def test_a_server_with_tls_is_asked_with_tls(tmp_path: Path) -> None:
    own = new_certificate(tmp_path)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.chain, own.key)
    with serving(200, context) as port:
        check_server({"PORT": port, "RONDO_SSL_CERTFILE": str(own.chain)})


def test_one_that_is_not_ready_says_why() -> None:
    with serving(503) as port, pytest.raises(Unwell, match="answers 503: the engine is not running"):
        check_server({"PORT": port})


def test_one_that_is_not_there_does_not_answer() -> None:
    with serving(200) as port:
        pass
    with pytest.raises(Unwell, match=f"127.0.0.1:{port} does not answer"):
        check_server({"PORT": port})


def _process(processes: Path, pid: int, name: str, parent: int) -> None:
    (processes / str(pid)).mkdir(parents=True)
    (processes / str(pid) / "status").write_text(f"Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{parent}\n")


def test_a_worker_is_well_with_its_engine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").touch()
    (tmp_path / "99").mkdir()  # ended while it was looked at
    with pytest.raises(Unwell, match="there is no worker"):
        check_worker(tmp_path)
    _process(tmp_path, 1, "catatonit", parent=0)
    _process(tmp_path, 7, "rondo-worker", parent=1)
    _process(tmp_path, 9, "rondo-engine", parent=1)  # somebody else's
    with pytest.raises(Unwell, match="worker 7 has no engine"):
        check_worker(tmp_path)
    _process(tmp_path, 8, "rondo-engine", parent=7)
    check_worker(tmp_path)


def test_the_processes_of_this_machine_can_be_read() -> None:
    """Whether a worker is among them, nobody knows."""
    with suppress(Unwell):
        check_worker()


def test_the_exit_status_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.delenv("RONDO_PORT", raising=False)
    for status, code in ((200, 0), (503, 1)):
        with serving(status) as port:
            monkeypatch.setenv("PORT", port)
            assert main([]) == main(["server"]) == code
    assert "answers 503" in capsys.readouterr().err
    assert main(["everything"]) == 2
    assert "usage" in capsys.readouterr().err


def test_it_needs_only_the_standard_library() -> None:
    """It runs every few seconds, and site-packages would cost more than the question."""
    services = Path(__file__).parents[2] / "services"
    program = f"import sys; sys.path.insert(0, {str(services)!r}); import rondo_services.health"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)
