"""Whether this machine's server or worker is well: `python -m rondo_services.health [server|worker]`.

For the health checks of containers, which run it every few seconds: so it needs only the standard library.
"""

import http.client
import os
import ssl
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

_TIMEOUT_S = 4.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Unwell(Exception):
    """It can't answer requests, or can't work; the message says why."""


def check_server(environment: Mapping[str, str]) -> None:
    """Ask the server whether it is ready, which has its settings from these variables and the file that they name.

    Flags are not known here. Its certificate is not verified, as it is for the name that others use.

    Raises:
        Unwell: it is not, or does not answer.
    """
    given = _given(environment)
    host = given.get("host", "127.0.0.1")
    host, port = _ANY_ADDRESS.get(host, host), int(given.get("port", "8000"))
    connection: http.client.HTTPConnection
    if "ssl_certfile" in given:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"{host}:{port} does not answer: {error}") from error
    finally:
        connection.close()
    if reply.status != 200:
        raise Unwell(f"{host}:{port} answers {reply.status}: {body.decode(errors='replace')}")


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    """Where the server is, as it reads its settings: the file is stronger than RONDO_PORT, and that than PORT.

    Raises:
        Unwell: the file can't be read.
    """
    values: dict[str, object] = {"host": environment.get("HOST"), "port": environment.get("PORT")}
    for name in ("host", "port", "ssl_certfile"):
        value = environment.get(f"RONDO_{name.upper()}", "")
        if value and "://" not in value:  # with it, it is a variable of Kubernetes
            values[name] = value
    if file := environment.get("RONDO_CONFIG"):
        try:
            values |= tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unwell(f"{file} can't be read as settings: {error}") from error
    return {name: str(value) for name, value in values.items() if value}


def check_worker(processes: Path = Path("/proc")) -> None:
    """Look whether there is a worker's process, and whether each has its engine.

    Raises:
        Unwell: there is none, or one has no engine.
    """
    found = [process for folder in processes.iterdir() if (process := _process(folder)) is not None]
    workers = [pid for pid, _, name in found if name == "rondo-worker"]
    if not workers:
        raise Unwell("there is no worker")
    supplied = {parent for _, parent, name in found if name == "rondo-engine"}
    for pid in workers:
        if pid not in supplied:
            raise Unwell(f"worker {pid} has no engine")


def _process(folder: Path) -> tuple[int, int, str] | None:
    """Number, parent and name; None if it is no process's folder, or the process has ended meanwhile."""
    if not folder.name.isdecimal():
        return None
    try:
        lines = (folder / "status").read_text().splitlines()
    except OSError:
        return None
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(folder.name), int(fields["PPid"]), fields["Name"]


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 if it is well, 1 if not, 2 if the question is none."""
    try:
        match list(arguments):
            case [] | ["server"]:
                check_server(os.environ)
            case ["worker"]:
                check_worker()
            case _:
                print("usage: python -m rondo_services.health [server|worker]", file=sys.stderr)
                return 2
    except Unwell as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
