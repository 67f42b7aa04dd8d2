"""Keys, limits, TLS, browsers and the access log of the real server."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.certificates import new_certificate
from tests.system.conftest import Launch, RunningServer
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rondo_services.access.key_file import KeyFile

EVERYWHERE = ("--host", "0.0.0.0")
SENTIMENT, TEXT = "/v1/sentiment", "A wonderful film about the sea."
AT_MOST_S = 10.0


def _rondo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RONDO_STATE_DIR": str(folder)}
    command = [sys.executable, "-m", "rondo_services.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def _new_key(folder: Path, *limits: str, name: str = "shop") -> str:
    made = _rondo("keys", "create", name, *limits, folder=folder)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _ask(server: RunningServer, key: str | None, text: str = TEXT) -> httpx.Response:
    return server.client.post(SENTIMENT, json={"text": text}, headers={} if key is None else _with(key))


def _until(holds: Callable[[], bool]) -> float:
    """Seconds until it held."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + AT_MOST_S
        time.sleep(0.02)
    return time.monotonic() - began


class Guarded:
    """A server that asks for keys."""

    def __init__(self, server: RunningServer, folder: Path, key: str) -> None:
        self.server = server
        self.folder = folder
        self.key = key


@pytest.fixture(scope="module")
def guarded(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """On all addresses, with a key without limits and a log of JSON."""
    folder = tmp_path_factory.mktemp("state")
    key = _new_key(folder, name="main")
    with launch(*EVERYWHERE, settings={"state_dir": str(folder), "services": "sentiment", "access_log": "json"}) as own:
        yield Guarded(own, folder, key)


def test_a_server_that_others_reach_does_not_start_without_keys(tmp_path: Path) -> None:
    refused = _rondo("serve", *EVERYWHERE, "--port", "0", folder=tmp_path)
    assert refused.returncode == 2
    assert "rondo keys create NAME" in refused.stderr
    assert "--insecure" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_certificate_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    refused = _rondo("serve", "--port", "0", "--ssl-certfile", str(tmp_path / "none.pem"), folder=tmp_path)
    assert refused.returncode == 2
    assert "can't be used" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_starts_when_told_to_let_everybody_in(launch: Launch, tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path), "services": "sentiment"}
    with launch(*EVERYWHERE, "--insecure", settings=settings) as server:
        assert _ask(server, None).status_code == 200
        assert "everybody who can reach 0.0.0.0" in server.log.read_text()


def test_with_a_key_all_is_open_and_without_only_health(guarded: Guarded) -> None:
    for path in ("/v1/models", "/metrics", "/docs", "/openapi.json", "/nowhere"):
        reply = guarded.server.client.get(path)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert guarded.server.client.get(path, headers=_with(guarded.key)).status_code in (200, 404)
    assert _ask(guarded.server, None).status_code == 401
    assert _ask(guarded.server, "rondo_00000000_" + "a" * 43).json()["error"]["code"] == "invalid_key"
    assert _ask(guarded.server, guarded.key).json()["results"][0]["label"] == "positive"
    headers = {"X-API-Key": guarded.key}
    assert guarded.server.client.post(SENTIMENT, json={"text": TEXT}, headers=headers).status_code == 200
    assert guarded.server.client.get("/health/live").status_code == 200


def test_keys_are_replaced_under_load_without_a_failing_request(guarded: Guarded) -> None:
    key = [_new_key(guarded.folder, name="rotated")]
    _until(lambda: _ask(guarded.server, key[0]).status_code == 200)
    statuses: list[int] = []
    ended = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=guarded.server.client.base_url, timeout=30.0) as client:
            while not ended.is_set():
                statuses.append(client.post(SENTIMENT, json={"text": TEXT}, headers=_with(key[0])).status_code)

    loading = [threading.Thread(target=load) for _ in range(3)]
    for thread in loading:
        thread.start()
    try:
        for _ in range(3):
            new = _new_key(guarded.folder, name="rotated")
            _until(lambda new=new: _ask(guarded.server, new).status_code == 200)  # type: ignore[misc]
            old, key[0] = key[0], new
            count = len(statuses)
            _until(lambda count=count: len(statuses) > count + 3)  # type: ignore[misc]  # none on the way has the old one
            assert _rondo("keys", "revoke", old.split("_")[1], folder=guarded.folder).returncode == 0
            _until(lambda old=old: _ask(guarded.server, old).status_code == 401)  # type: ignore[misc]
    finally:
        ended.set()
        for thread in loading:
            thread.join()
    assert set(statuses) == {200}


def test_a_revoked_key_is_refused_at_once(guarded: Guarded) -> None:
    key = _new_key(guarded.folder, name="leaver")
    _until(lambda: _ask(guarded.server, key).status_code == 200)
    KeyFile(guarded.folder).revoke("leaver")
    assert (
        _until(lambda: _ask(guarded.server, key).status_code == 401) < 5.0
    )  # a quarter of a second, and some for luck


def test_the_rate_is_limited_and_told(guarded: Guarded) -> None:
    key = _new_key(guarded.folder, "--requests-per-minute", "3", name="slow")
    _until(lambda: guarded.server.client.get("/nowhere", headers=_with(key)).status_code == 404)
    replies = [_ask(guarded.server, key) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["ratelimit-policy"] == '"requests-per-minute";q=3;w=60'
    assert replies[0].headers["ratelimit"].startswith('"requests-per-minute";r=1;t=')
    assert 1 <= int(replies[2].headers["retry-after"]) <= 20
    assert replies[2].json()["error"]["code"] == "limit_reached"
    assert _ask(guarded.server, guarded.key).status_code == 200


def test_quotas_outlive_a_restart(launch: Launch, tmp_path: Path) -> None:
    key = _new_key(tmp_path, "--characters-per-day", "100", "--requests-per-day", "50")
    options = {"state_dir": str(tmp_path), "services": "sentiment", "require_key": "always"}
    with launch(settings=options) as server:
        assert _ask(server, key, "a" * 60).status_code == 200
    with launch(settings=options) as server:
        refused = _ask(server, key, "a" * 50)
        assert refused.status_code == 429
        assert "of which 40 are left" in refused.json()["error"]["message"]
        assert int(refused.headers["retry-after"]) <= 86_400
        assert '"requests-per-day";r=48;' in refused.headers["ratelimit"]
        assert _ask(server, key, "a" * 101).status_code == 422
        assert _ask(server, key, "a" * 40).status_code == 200
    listed = _rondo("keys", "list", folder=tmp_path).stdout
    assert "4 of 50" in listed
    assert "100 of 100" in listed


def test_a_body_over_the_limit_comes_before_the_key(guarded: Guarded) -> None:
    assert guarded.server.client.post(SENTIMENT, content=b" " * 8_000_001).status_code == 413


@pytest.mark.parametrize("body", [b'{"text": ' + b"[" * 100_000, b"[" + b"0," * 600_000 + b"0]"])
def test_costly_json_is_not_parsed(guarded: Guarded, body: bytes) -> None:
    headers = {**_with(guarded.key), "Content-Type": "application/json"}
    reply = guarded.server.client.post(SENTIMENT, content=body, headers=headers)
    assert reply.status_code == 400
    assert "nested deeper than 64" in reply.text or "more than 500000 values" in reply.text


def test_sockets_need_a_key_too(guarded: Guarded) -> None:
    url = f"ws://127.0.0.1:{guarded.server.client.base_url.port}{SENTIMENT}"

    async def label(**options: object) -> str:
        async with connect(url, **options) as socket:  # type: ignore[arg-type]
            await socket.send(json.dumps({"text": TEXT}))
            return f"{socket.subprotocol} {json.loads(await socket.recv())['label']}"

    assert asyncio.run(label(additional_headers=_with(guarded.key))) == "None positive"
    assert asyncio.run(label(subprotocols=["rondo", f"rondo-key.{guarded.key}"])) == "rondo positive"
    for options in ({}, {"subprotocols": ["rondo", "rondo-key.wrong"]}, {"additional_headers": _with("wrong")}):
        with pytest.raises(InvalidStatus) as caught:
            asyncio.run(label(**options))
        assert caught.value.response.status_code == 401


def test_a_socket_uses_up_characters(guarded: Guarded) -> None:
    key = _new_key(guarded.folder, "--characters-per-day", "20", name="socket")
    _until(lambda: guarded.server.client.get("/nowhere", headers=_with(key)).status_code == 404)
    url = f"ws://127.0.0.1:{guarded.server.client.base_url.port}{SENTIMENT}"

    async def talk() -> tuple[object, int | None]:
        async with connect(url, additional_headers=_with(key)) as socket:
            await socket.send(json.dumps({"text": "a" * 15}))
            assert "label" in json.loads(await socket.recv())
            await socket.send(json.dumps({"text": "a" * 15}))
            said = json.loads(await socket.recv())
            await socket.wait_closed()
            return said["error"]["code"], socket.close_code

    assert asyncio.run(talk()) == ("limit_reached", 1013)


def test_the_log_has_a_line_for_each_request_and_nothing_private(guarded: Guarded) -> None:
    text = "A text about nobody in particular."
    reply = _ask(guarded.server, guarded.key, text)

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in guarded.server.log.read_text().splitlines()]

    def own_lines() -> list[dict[str, object]]:
        return [line for line in lines() if line.get("request_id") == reply.headers["x-request-id"]]

    _until(lambda: bool(own_lines()))  # it is written once the reply has gone
    own = own_lines()
    assert len(own) == 1
    assert own[0]["route"] == SENTIMENT
    assert own[0]["status"] == 200
    assert own[0]["bytes"] == len(reply.content)
    assert own[0]["key"] == f"main/{guarded.key.split('_')[1]}"
    assert not [line for line in lines() if line["level"] == "ERROR"]  # though sockets were refused
    for private in (text, guarded.key, guarded.key.split("_", 2)[2], "127.0.0.1"):
        assert private not in guarded.server.log.read_text()


def test_replies_carry_what_browsers_need_to_know(guarded: Guarded) -> None:
    for path, headers in (("/health/live", {}), ("/v1/models", {}), ("/nowhere", _with(guarded.key))):
        reply = guarded.server.client.get(path, headers=headers)
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "strict-transport-security" not in reply.headers


def test_tls_cors_and_opened_metrics(launch: Launch, tmp_path: Path) -> None:
    certificate = new_certificate(tmp_path, password="secret")
    _new_key(tmp_path)
    shop = "https://shop.example"
    settings = {
        "state_dir": str(tmp_path),
        "services": "sentiment",
        "require_key": "always",
        "open_to_all": "metrics,docs",
        "cors_origins": shop,
        "ssl_keyfile_password": "secret",
        "max_waiting": "1",
    }
    options = ("--ssl-certfile", str(certificate.chain), "--ssl-keyfile", str(certificate.key))
    with launch(*options, settings=settings, trust=ssl.create_default_context(cafile=certificate.chain)) as server:
        assert server.client.base_url.scheme == "https"
        assert server.client.get("/health/live").headers["strict-transport-security"]
        assert server.client.get("/metrics").status_code == 200
        assert server.client.get("/docs").status_code == 200
        asked = {"Origin": shop, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
        preflight = server.client.options(SENTIMENT, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == shop
        refused = server.client.post(SENTIMENT, json={"text": TEXT}, headers={"Origin": shop})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, shop)
