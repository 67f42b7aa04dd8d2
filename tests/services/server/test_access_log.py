"""The line of a request in the log."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.services.server.conftest import Connect

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.local import LocalSuite
from rondo_services.server.logs import LogFormat, new_handler
from rondo_services.server.settings import ServerSettings

TEXT = "A text that nobody else may see."


@pytest.fixture
def log() -> Iterator[Any]:
    """What a handler writes of all loggers."""
    root, written, handlers = logging.getLogger(), io.StringIO(), []
    level = root.level

    def begin(kind: LogFormat) -> io.StringIO:
        handlers.append(new_handler(kind, written))
        root.addHandler(handlers[-1])
        root.setLevel(logging.INFO)
        return written

    yield begin
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    for handler in handlers:
        root.removeHandler(handler)


def _ask(suite: LocalSuite, connect: Connect, folder: Path, kind: str) -> str:
    """Some requests, with the key that is returned; settings' log is of this kind."""
    file = KeyFile(folder)
    _, key = file.create("shop", Allowance(), None, datetime.now(UTC))
    control = AccessControl(Keyring(file), Ledger(UsageBook(folder)))

    async def ask() -> None:
        settings = ServerSettings(access_log=kind)
        async with connect(suite, settings, access=control) as client:
            own = {"Authorization": f"Bearer {key}", "X-Request-Id": "own-1"}
            await client.post("/v1/sentiment", json={"text": TEXT}, headers=own)
            await client.get("/secret-path", headers=own)
            await client.get("/v1/models?secret=1", headers=own)
            await client.post("/v1/sentiment", json={"text": TEXT}, headers={"X-API-Key": "wrong-secret"})

    asyncio.run(ask())
    return key


def test_json_lines_have_what_is_needed_and_nothing_private(
    suite: LocalSuite, connect: Connect, tmp_path: Path, log: Any
) -> None:
    written = log("json")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the client's own lines are no matter of the server
    key = _ask(suite, connect, tmp_path, "json")
    lines = [line for line in map(json.loads, written.getvalue().splitlines()) if line["logger"] == "rondo.access"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/sentiment", 200),
        ("GET", "other", 404),
        ("GET", "/v1/models", 200),
        ("POST", "/v1/sentiment", 401),
    ]
    first, _, _, refused = lines
    assert set(first) == {"time", "level", "logger", "message", "request_id", "method", "route", "status",
                          "milliseconds", "bytes", "key"}  # fmt: skip
    assert first["request_id"] == "own-1"
    assert first["key"].startswith("shop/")
    assert first["bytes"] > 0
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert "key" not in refused
    for secret in (TEXT, "secret", key, key.split("_", 2)[2], "127.0.0.1"):
        assert secret not in written.getvalue()


def test_text_lines_have_the_same(suite: LocalSuite, connect: Connect, tmp_path: Path, log: Any) -> None:
    written = log("text")
    _ask(suite, connect, tmp_path, "text")
    first = next(line for line in written.getvalue().splitlines() if "rondo.access" in line)
    assert first.startswith("INFO rondo.access: request request_id=own-1 method=POST route=/v1/sentiment status=200 ")


def test_it_is_off_by_default(suite: LocalSuite, connect: Connect, tmp_path: Path, log: Any) -> None:
    written = log("text")
    _ask(suite, connect, tmp_path, "off")
    assert "rondo.access" not in written.getvalue()


def test_a_traceback_is_one_line_of_json(log: Any) -> None:
    written = log("json")
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("rondo").exception("it broke")
    (line,) = written.getvalue().splitlines()
    assert "KeyError" in json.loads(line)["exc_info"]
