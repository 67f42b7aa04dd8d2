"""The engine's process dies, hangs or is left by its clients: every request ends, and the service comes back."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

RESTART_S = 5.0
SLACK = 3.0  # on a machine that does other work too
TEXTS = ["The boat is slow, but we like it.", "Das Boot ist langsam.", "배가 천천히 간다."]


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    @property
    def log(self) -> Path: ...

    def engine_pid(self) -> int | None: ...


Launch = Callable[..., AbstractContextManager[Server]]
Reply = tuple[int, Any]


def _bodies(count: int) -> list[tuple[str, dict[str, Any]]]:
    """Requests of all services in turn, some of them long."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("/v1/sentiment", {"text": TEXTS[0]}),
        ("/v1/translate", {"text": " ".join([TEXTS[1]] * 3), "target": "en"}),
        ("/v1/generate", {"prompt": TEXTS[0], "max_tokens": 60, "seed": 7}),
        ("/v1/summarize", {"text": " ".join(TEXTS) * 4}),
    ]
    return [kinds[number % len(kinds)] for number in range(count)]


def _rounded(value: Any) -> Any:
    """Scores without the digits in which the rounding of another batch shows."""
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_rounded(own) for own in value]
    return round(value, 4) if isinstance(value, float) else value


async def _ask(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Reply:
    reply = await client.post(path, json=body)
    return reply.status_code, _rounded(reply.json())


def _all_replies(
    server: Server, bodies: Sequence[tuple[str, dict[str, Any]]], meanwhile: Callable[[], None] = lambda: None
) -> list[Reply]:
    """Ask everything at once, and do `meanwhile` while it is being answered."""

    async def scenario() -> list[Reply]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.client.base_url, timeout=60.0, limits=limits) as client:
            asking = [asyncio.create_task(_ask(client, path, body)) for path, body in bodies]
            await asyncio.sleep(0.15)
            await asyncio.to_thread(meanwhile)
            return await asyncio.gather(*asking)

    return asyncio.run(scenario())


def _wait_for_status(server: Server, path: str, status: int, timeout_s: float) -> float:
    """Seconds until the reply has this status."""
    began = time.monotonic()
    while server.client.get(path).status_code != status:
        assert time.monotonic() - began < timeout_s, f"{path} was not {status} within {timeout_s} s"
        time.sleep(0.02)
    return time.monotonic() - began


def _kill_engine(server: Server) -> None:
    pid = server.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_a_killed_engine_loses_no_request_silently(launch: Launch) -> None:
    with launch() as server:
        first = server.engine_pid()
        before = _all_replies(server, _bodies(4))
        replies = _all_replies(server, _bodies(64), lambda: _kill_engine(server))
        assert Counter(status for status, _ in replies).keys() <= {200, 503}
        failed = [body["error"]["code"] for status, body in replies if status == 503]
        assert failed
        assert set(failed) == {"engine_restarted"}
        assert _wait_for_status(server, "/health/ready", 200, RESTART_S * SLACK) < RESTART_S * SLACK
        assert server.engine_pid() != first
        assert _all_replies(server, _bodies(4)) == before
        assert "rondo_engine_restarts_total 1.0" in server.client.get("/metrics").text


def test_while_the_engine_is_away_the_server_says_so(launch: Launch) -> None:
    with launch() as server:
        _kill_engine(server)
        _wait_for_status(server, "/health/ready", 503, RESTART_S)
        assert server.client.get("/health/live").status_code == 200
        refused = server.client.post("/v1/sentiment", json={"text": TEXTS[0]})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "engine_restarted"
        assert refused.headers["retry-after"] == "1"
        _wait_for_status(server, "/health/ready", 200, RESTART_S * SLACK)


def test_a_hung_engine_is_replaced(launch: Launch) -> None:
    with launch(settings={"hang_s": "2"}) as server:
        pid = server.engine_pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        assert [status for status, _ in _all_replies(server, _bodies(8))] == [503] * 8
        _wait_for_status(server, "/health/ready", 200, RESTART_S * SLACK)
        assert server.engine_pid() != pid
        assert "no sign of life" in server.log.read_text()


def test_an_engine_that_keeps_dying_stays_down(launch: Launch) -> None:
    with launch() as server:
        for _ in range(3):
            _wait_for_status(server, "/health/ready", 200, RESTART_S * SLACK)
            _kill_engine(server)
            _wait_for_status(server, "/health/ready", 503, RESTART_S)
        time.sleep(RESTART_S)
        assert server.client.get("/health/ready").status_code == 503
        assert server.engine_pid() is None
        assert "stays down" in server.log.read_text()


def test_clients_that_leave_change_no_neighbours_answer(launch: Launch) -> None:
    rng = random.Random(1)
    bodies = _bodies(80)
    leaving = set(rng.sample(range(len(bodies)), len(bodies) // 2))

    async def scenario(server: Server) -> dict[int, Reply]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.client.base_url, timeout=60.0, limits=limits) as client:
            asking = {n: asyncio.create_task(_ask(client, *bodies[n])) for n in range(len(bodies))}
            for number in leaving:
                await asyncio.sleep(0.002 * rng.random())
                asking[number].cancel()
            stayed = [number for number in asking if number not in leaving]
            return dict(zip(stayed, await asyncio.gather(*(asking[n] for n in stayed)), strict=True))

    with launch() as server:
        alone = _all_replies(server, _bodies(4))
        for number, reply in asyncio.run(scenario(server)).items():
            assert reply == alone[number % 4]
        deadline = time.monotonic() + 10
        while "rondo_num_rows_running 0.0" not in server.client.get("/metrics").text:
            assert time.monotonic() < deadline, "rows of clients that left are still being written"


def test_the_engine_ends_with_its_server(launch: Launch) -> None:
    with launch() as server:
        pid = server.engine_pid()
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_broken_bundle_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rondo_services.cli", "serve", "--port", "0", "--bundle", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.strip().endswith("is no bundle: manifest.json is missing")
