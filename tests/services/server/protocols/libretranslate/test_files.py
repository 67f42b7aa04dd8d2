"""LibreTranslate's files over a tiny suite."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.types import Message

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.documents.document import Document
from rondo_services.documents.formats import read_document
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.files import jobs
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
FIELDS = {"source": "de", "target": "en"}
TEXT = "Das Boot ist langsam.\r\n\r\n42\r\n"


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(state_dir=tmp_path)


def upload(name: str = "boot.txt", data: bytes = TEXT.encode(), **fields: str) -> dict[str, Any]:
    return {"files": {"file": (name, data)}, "data": {**FIELDS, **fields}}


async def ended(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (status := (await client.get(url)).json())["status"] == "running":
            await asyncio.sleep(0.01)
    return dict(status)


def test_a_file_is_translated_and_fetched(suite: LocalSuite, connect: Connect, settings: ServerSettings) -> None:
    async def ask() -> None:
        async with connect(suite, settings) as client:
            reply = await client.post("/translate_file", **upload("mein boot.txt"))
            assert reply.status_code == 200, reply.text
            url = reply.json()["translatedFileUrl"]
            assert url.startswith("http://test/download_file/")
            assert unquote(url).endswith(".mein_boot_en.txt")
            file = await client.get(url)
            assert file.status_code == 200
            assert file.headers["content-disposition"] == 'attachment; filename="mein_boot_en.txt"'
            native = await client.post("/v1/translate", json={"text": TEXT, **FIELDS})
            assert file.content.decode() == native.json()["results"][0]["translation"]

    asyncio.run(ask())


def test_a_file_behind_the_clients_back(suite: LocalSuite, connect: Connect, settings: ServerSettings) -> None:
    async def ask() -> None:
        async with connect(suite, settings) as client:
            reply = await client.post("/translate_file", **upload(), headers={"Prefer": "wait=1, respond-async"})
            assert (reply.status_code, reply.headers["preference-applied"]) == (202, "respond-async")
            status = await ended(client, reply.headers["location"])
            assert (status["id"], status["status"], status["progress"]) == (reply.json()["id"], "done", 1.0)
            assert (await client.get(status["translatedFileUrl"])).status_code == 200
            assert (await client.delete(reply.headers["location"])).status_code == 204
            assert await ended(client, reply.headers["location"]) == status

    asyncio.run(ask())


def test_it_can_be_given_up(suite: LocalSuite, connect: Connect, settings: ServerSettings) -> None:
    async def ask() -> None:
        async with connect(suite, settings) as client:
            large = upload(data=TEXT.encode() * 1000)
            reply = await client.post("/translate_file", **large, headers={"Prefer": "respond-async"})
            assert reply.json()["status"] == "running"
            assert (await client.delete(reply.headers["location"])).status_code == 204
            status = await ended(client, reply.headers["location"])
            assert (status["status"], status["error"]) == ("cancelled", "the translation of the file was given up")

    asyncio.run(ask())


def test_a_file_that_takes_too_long(suite: LocalSuite, connect: Connect, tmp_path: Path) -> None:
    async def ask() -> None:
        async with connect(suite, ServerSettings(state_dir=tmp_path, file_timeout_s=1.0)) as client:
            large = upload(data=TEXT.encode() * 5000)
            reply = await client.post("/translate_file", **large)
            assert (reply.status_code, set(reply.json())) == (504, {"error"})
            reply = await client.post("/translate_file", **large, headers={"Prefer": "respond-async"})
            status = await ended(client, reply.headers["location"])
            assert (status["status"], "deadline" in status["error"]) == ("failed", True)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"data": FIELDS}, 415, "send the file as multipart/form-data"),
        ({"json": FIELDS}, 415, "send the file as multipart/form-data"),
        ({"files": {"source": (None, "de"), "target": (None, "en")}}, 400, "file: send one file"),
        ({"files": {"file": (None, "text")}, "data": FIELDS}, 400, "file: send one file"),
        ({"files": [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))], "data": FIELDS}, 400, "Too many files"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"target": "en"}}, 400, "source: Field required"),
        (upload("a.exe"), 400, "file format not supported: .exe; supported are .txt"),
        (upload(target="xx"), 400, "target: Input should be"),
        (upload(source="ko"), 400, "no translation ko→en"),
        (upload(more="x"), 400, "more: unknown field"),
        (upload(overwrite="true"), 400, "overwrite is only for .po files"),
        (upload(overwrite="yes"), 400, "overwrite: Input should be 'true' or 'false'"),
        (upload(data=b"\xff\xff\xff"), 400, "the file is not UTF-8 at byte 0"),
        (upload(data=b"42", source="auto"), 400, "the file's language can't be told"),
        (upload("a.docx"), 400, "no Word document"),
        (upload("a.srt"), 400, "no SubRip"),
        (upload("a.po"), 400, "no gettext catalogue"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    suite: LocalSuite, connect: Connect, settings: ServerSettings, sent: dict[str, Any], status: int, message: str
) -> None:
    async def ask() -> httpx.Response:
        async with connect(suite, settings) as client:
            return await client.post("/translate_file", **sent)

    reply = asyncio.run(ask())
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"error"}
    assert message in reply.json()["error"]


@pytest.mark.parametrize("name", ["none.txt", "..", "%2e%2e%2fkeys.json", "..%2f..%2fetc%2fpasswd", "%00"])
def test_only_files_that_were_translated_are_fetched(
    suite: LocalSuite, connect: Connect, settings: ServerSettings, name: str
) -> None:
    (settings.state_dir / "keys.json").write_text("{}")

    async def ask() -> list[httpx.Response]:
        async with connect(suite, settings) as client:
            return [await client.get(f"{path}/{name}") for path in ("/download_file", "/translate_file")]

    assert {reply.status_code for reply in asyncio.run(ask())} == {404}


def _status_for_a_client_that_leaves(suite: LocalSuite, settings: ServerSettings) -> int:
    """Of a request whose client closes the connection soon after it was sent."""
    app = create_app(Fleet.of(suite), settings, ServerMetrics())
    request = httpx.Request("POST", "http://test/translate_file", **upload(data=TEXT.encode() * 1000))
    statuses: list[int] = []

    async def ask() -> None:
        body = [{"type": "http.request", "body": request.read(), "more_body": False}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [(name.lower(), value) for name, value in request.headers.raw]
        scope = {"type": "http", "method": "POST", "path": "/translate_file", "headers": headers, "query_string": b""}
        await app({**scope, "http_version": "1.1"}, receive, send)

    asyncio.run(ask())
    return statuses[0]


def test_a_client_that_leaves_gives_its_file_up(suite: LocalSuite, settings: ServerSettings) -> None:
    assert _status_for_a_client_that_leaves(suite, settings) == 499
    assert [path for path in settings.state_dir.rglob("*") if path.is_file()] == []


def test_a_client_that_leaves_while_its_file_is_read_is_not_waited_for(
    suite: LocalSuite, settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_left = threading.Event()

    def read(name: str, data: bytes, *, overwrite: bool = False) -> Document:
        assert has_left.wait(30)
        return read_document(name, data, overwrite=overwrite)

    monkeypatch.setattr(jobs, "read_document", read)
    try:
        assert _status_for_a_client_that_leaves(suite, settings) == 499
    finally:
        has_left.set()


def test_a_file_that_would_take_too_much_memory_is_refused(
    suite: LocalSuite, connect: Connect, settings: ServerSettings
) -> None:
    async def ask() -> httpx.Response:
        async with connect(suite, settings) as client:
            return await client.post("/translate_file", **upload("a.html", b"<p>a" * 300_001))

    reply = asyncio.run(ask())
    message = "the file has 300001 tags and character references; at most 300000"
    assert (reply.status_code, reply.json()) == (400, {"error": message})


def test_the_files_go_when_the_server_does(suite: LocalSuite, settings: ServerSettings) -> None:
    app = create_app(Fleet.of(suite), settings, ServerMetrics())

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            url = (await client.post("/translate_file", **upload())).json()["translatedFileUrl"]
            assert (await client.get(url)).status_code == 200
            assert len(list(settings.state_dir.glob("translated-*/*"))) == 1

    asyncio.run(ask())
    assert list(settings.state_dir.glob("translated-*")) == []


def test_a_key_is_needed_to_send_but_not_to_fetch(
    suite: LocalSuite, connect: Connect, settings: ServerSettings, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path)
    _, key = file.create("somebody", Allowance(characters_per_day=30), None, datetime.now(UTC))
    access = AccessControl(Keyring(file), Ledger(UsageBook(tmp_path)))

    async def ask() -> None:
        async with connect(suite, settings, access=access) as client:
            for sent in (upload(), upload(api_key="wrong")):
                assert (await client.post("/translate_file", **sent)).status_code == 403
            reply = await client.post("/translate_file", **upload(api_key=key), headers={"Prefer": "respond-async"})
            assert reply.status_code == 202
            url = (await ended(client, reply.headers["location"]))["translatedFileUrl"]
            assert (await client.get(url)).status_code == 200
            assert (await client.post("/translate_file", **upload(api_key=key))).status_code == 429  # of characters

    asyncio.run(ask())
