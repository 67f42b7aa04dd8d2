"""LibreTranslate's texts over a tiny suite: ways to send them, shapes of replies, refusals."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

FIELDS = {"q": "Das Boot & der Zug.", "source": "de", "target": "en"}
GERMAN = "Das Boot und der Zug sind langsam, und wir gehen nach Hause."


@pytest.fixture
def ask(suite: LocalSuite, connect: Connect) -> Callable[..., httpx.Response]:
    """One request to the app."""

    def request(method: str, path: str, settings: ServerSettings | None = None, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with connect(suite, settings) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    return request


Ask = Callable[..., httpx.Response]
TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
WAYS: dict[str, dict[str, Any]] = {
    "JSON": {"json": FIELDS},
    "form": {"data": FIELDS},
    "plain UTF-8 form": {"content": b"q=Das Boot %26 der Zug.&source=de&target=en", "headers": TYPE},
    "multipart": {"files": {name: (None, value) for name, value in FIELDS.items()}},
    "query": {"params": FIELDS},
    "query and JSON": {"params": {"source": "de"}, "json": {"q": FIELDS["q"], "target": "en"}},
    "query and form": {"params": {"source": "de"}, "data": {"q": FIELDS["q"], "target": "en"}},
    "empty fields": {"data": {**FIELDS, "format": "", "api_key": ""}},
    "null": {"json": {**FIELDS, "api_key": None}},
    "JSON's integer": {"json": {**FIELDS, "alternatives": 0.0}},
}


def _multipart(q: bytes, end: bytes = b"--y--\r\n", charset: str = "utf-8") -> dict[str, Any]:
    fields = {b"source": b"de", b"target": b"en", b"q": q}
    parts = [b'--y\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field for field in fields.items()]
    return {
        "content": b"".join([*parts, end]),
        "headers": {"Content-Type": f"multipart/form-data; boundary=y; charset={charset}"},
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_fields_come_in_many_ways(ask: Ask, way: str) -> None:
    native = ask("POST", "/v1/translate", json={"text": FIELDS["q"], "source": "de", "target": "en"})
    reply = ask("POST", "/translate", **WAYS[way])
    assert reply.status_code == 200, reply.text
    assert reply.json()["translatedText"] == native.json()["results"][0]["translation"]
    assert not {"detectedLanguage", "alternatives"} & reply.json().keys()


def test_text_that_is_not_percent_encoded_is_understood(ask: Ask) -> None:
    """As `curl -d q=안녕하세요` sends it."""
    for body in ("q=안녕하세요", f"q={quote('안녕하세요')}"):
        reply = ask("POST", "/detect", content=body.encode(), headers=TYPE)
        assert reply.json() == [{"confidence": 100, "language": "ko"}]


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"q": ["Das Boot.", ""], "source": "de", "target": "en", "alternatives": 2}},
        {"data": {"q": ["Das Boot.", ""], "source": "de", "target": "en", "alternatives": "2"}},
    ],
    ids=["JSON", "form"],
)
def test_a_list_is_answered_with_lists(ask: Ask, sent: dict[str, Any]) -> None:
    single = ask("POST", "/translate", json={"q": "Das Boot.", "source": "de", "target": "en", "alternatives": 2})
    reply = ask("POST", "/translate", **sent).json()
    assert reply["translatedText"] == [single.json()["translatedText"], ""]
    assert reply["alternatives"] == [single.json()["alternatives"], []]
    assert all(isinstance(own, str) for own in single.json()["alternatives"])


GLOSSARY = {"Boot": "ferry"}
GLOSSARIES: dict[str, dict[str, Any]] = {
    "JSON": {"json": {**FIELDS, "glossary": GLOSSARY, "explain": True}},
    "form": {"data": {**FIELDS, "glossary": json.dumps(GLOSSARY), "explain": "true"}},
    "query": {"params": {**FIELDS, "glossary": json.dumps(GLOSSARY), "explain": "true"}},
}


@pytest.mark.parametrize("way", GLOSSARIES)
def test_terms_are_translated_as_asked_and_the_alignment_is_told(ask: Ask, way: str) -> None:
    fields = {"text": FIELDS["q"], "source": "de", "target": "en", "glossary": GLOSSARY, "explain": True}
    (native,) = ask("POST", "/v1/translate", json=fields).json()["results"]
    reply = ask("POST", "/translate", **GLOSSARIES[way]).json()
    assert "ferry" in reply["translatedText"] == native["translation"]
    assert reply["alignment"] == native["alignment"]
    if way == "JSON":
        several = ask("POST", "/translate", json={**GLOSSARIES[way]["json"], "q": [FIELDS["q"], ""]}).json()
        assert several["alignment"] == [native["alignment"], []]


def test_terms_that_are_no_json_are_refused(ask: Ask) -> None:
    reply = ask("POST", "/translate", data={**FIELDS, "glossary": "Boot=ferry"})
    assert (reply.status_code, reply.json()) == (400, {"error": "glossary: in a form or query it has to be JSON"})


def test_many_alternatives_widen_the_search(ask: Ask) -> None:
    reply = ask("POST", "/translate", json={**FIELDS, "alternatives": 15})
    assert reply.status_code == 200
    assert len(reply.json()["alternatives"]) > 4


def test_a_detected_language_is_told(ask: Ask) -> None:
    reply = ask("POST", "/translate", json={"q": GERMAN, "source": "auto", "target": "en"}).json()
    assert reply["detectedLanguage"]["language"] == "de"
    assert 90 <= reply["detectedLanguage"]["confidence"] <= 100
    reply = ask("POST", "/translate", json={"q": [GERMAN, "12"], "source": "auto", "target": "en"}).json()
    assert [own["language"] for own in reply["detectedLanguage"]] == ["de", "en"]
    assert reply["detectedLanguage"][1]["confidence"] == 0
    assert reply["translatedText"][1] == "12"
    assert reply.get("warning", [None, None])[1] is None


def test_the_language_of_html_is_that_of_its_text(ask: Ask) -> None:
    page = f'<p title="An English title that says a lot, and goes on and on">{GERMAN}</p>'
    reply = ask("POST", "/translate", json={"q": page, "source": "auto", "target": "en", "format": "html"}).json()
    assert reply["detectedLanguage"]["language"] == "de"
    assert reply["translatedText"].startswith('<p title="An English')
    assert reply["translatedText"].endswith("</p>")


def test_an_empty_text_is_its_own_translation(ask: Ask) -> None:
    for sent in ({"json": {**FIELDS, "q": ""}}, {"data": {**FIELDS, "q": ""}}):
        assert ask("POST", "/translate", **sent).json() == {"translatedText": ""}


def test_the_same_language_is_left_as_it_is(ask: Ask) -> None:
    reply = ask("POST", "/translate", json={**FIELDS, "target": "de"})
    assert reply.json() == {"translatedText": FIELDS["q"], "warning": "the text is already in 'de'"}


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"json": {"source": "de", "target": "en"}}, 400, "q: Field required"),
        ({"json": {"q": "a", "target": "en"}}, 400, "source: Field required"),
        ({"data": {"q": "a", "source": "de"}}, 400, "target: Field required"),
        ({"data": {**FIELDS, "source": ""}}, 400, "source: Input should be"),
        ({"json": {**FIELDS, "q": None}}, 400, "q: leave it out"),
        ({"json": {**FIELDS, "format": None}}, 400, "format: leave it out"),
        ({"json": {**FIELDS, "alternatives": 2.5}}, 400, "alternatives: Input should be a valid integer"),
        ({"json": {**FIELDS, "q": []}}, 400, "q: List should have at least 1"),
        ({"json": {**FIELDS, "q": 7}}, 400, "q: Input should be a valid"),
        ({"json": {**FIELDS, "source": "xx"}}, 400, "source: Input should be 'auto'"),
        ({"params": {**FIELDS, "target": "xx"}}, 400, "target: Input should be"),
        ({"json": {**FIELDS, "source": "ko"}}, 400, "no translation ko→en; served are"),
        ({"json": {**FIELDS, "format": "pdf"}}, 400, "format: Input should be 'text' or 'html'"),
        ({"json": {**FIELDS, "alternatives": 16}}, 400, "alternatives: Input should be less"),
        ({"json": {**FIELDS, "alternatives": "2"}}, 400, "alternatives: Input should be a valid integer"),
        ({"data": {**FIELDS, "alternatives": "many"}}, 400, "alternatives: Input should be a valid integer"),
        ({"json": {**FIELDS, "more": 1}}, 400, "more: unknown field"),
        ({"json": FIELDS, "params": {"q": "a"}}, 400, "q: in the query string and in the body"),
        ({"json": {**FIELDS, "q": "x" * 200_001}}, 400, "q: String should have at most 200000"),
        ({"json": [1]}, 400, "the body must be a JSON object"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "the body is no JSON"),
        ({"content": b"q=\xff", "headers": TYPE}, 400, "the body is not UTF-8"),
        ({"content": b"q=%ff", "headers": TYPE}, 400, "the body is not UTF-8"),
        ({"content": b"&".join([b"a=b"] * 1001), "headers": TYPE}, 400, "more than 1000 fields"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        (_multipart(b"\xc3\xbcber \xff"), 400, "q: the text is not UTF-8"),
        (_multipart("über".encode("latin-1")), 400, "q: the text is not UTF-8"),
        (_multipart(b"+2AA-", charset="utf-7"), 400, "the form is said to be in utf-7; send UTF-8"),
        (_multipart(b"a", end=b""), 400, "the form breaks off"),
        ({"files": {"q": ("a.txt", b"text")}, "data": {"source": "de", "target": "en"}}, 400, "q: "),
        ({"content": b"text", "headers": {"Content-Type": "text/plain"}}, 415, "send the body as application/json"),
        ({"content": b"text"}, 415, "send the body as"),
        ({}, 400, "q: Field required"),
    ],
)
def test_what_is_wrong_is_said(ask: Ask, sent: dict[str, Any], status: int, message: str) -> None:
    reply = ask("POST", "/translate", **sent)
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"error"}
    assert message in reply.json()["error"]


@pytest.mark.parametrize("q", ["Über das Boot, 배", "Über\r\n--das Boot--", "ü" * 1000])
def test_text_of_a_form_is_read_as_it_is(ask: Ask, q: str) -> None:
    told = ask("POST", "/translate", **_multipart(q.encode()))
    assert told.status_code == 200, told.text
    assert told.json() == ask("POST", "/translate", json={**FIELDS, "q": q}).json()


def test_other_failures_have_the_same_shape(ask: Ask, make_suite: Callable[..., LocalSuite], connect: Connect) -> None:
    not_allowed = ask("GET", "/translate")
    assert (not_allowed.json(), not_allowed.headers["allow"]) == ({"error": "Method Not Allowed"}, "POST")
    assert ask("POST", "/translate_file/x").headers["allow"] == "DELETE, GET"
    too_large = ask("POST", "/translate", ServerSettings(max_body_bytes=10), json=FIELDS)
    assert (too_large.status_code, set(too_large.json())) == (413, {"error"})

    async def full() -> httpx.Response:
        suite = make_suite(Limits(max_waiting=1))
        async with connect(suite) as client:
            with suite.engine.places(1):
                return await client.post("/translate", json=FIELDS)

    reply = asyncio.run(full())
    assert (reply.status_code, set(reply.json()), reply.headers["retry-after"]) == (429, {"error"}, "1")


def test_a_stopped_engine(suite: LocalSuite, ask: Ask) -> None:
    assert ask("GET", "/health").json() == {"status": "ok"}
    suite.local_engine.close()
    for reply in (ask("GET", "/health"), ask("POST", "/translate", json=FIELDS)):
        assert (reply.status_code, set(reply.json())) == (503, {"error"})


def test_what_is_offered(ask: Ask) -> None:
    # libretranslatepy sends a body
    languages = ask("GET", "/languages", content=b"api_key=x", headers=TYPE).json()
    assert languages == [
        {"code": "de", "name": "German", "targets": ["de", "en"]},
        {"code": "en", "name": "English", "targets": ["de", "en"]},
    ]
    assert ask("GET", "/frontend/settings").json() == {
        "charLimit": 200_000,
        "frontendTimeout": 500,
        "apiKeys": False,
        "keyRequired": False,
        "suggestions": False,
        "filesTranslation": True,
        "supportedFilesFormat": [".txt", ".srt", ".html", ".htm", ".po", ".docx"],
        "language": {
            "source": {"code": "auto", "name": "Auto Detect"},
            "target": {"code": "de", "name": "German"},
        },
    }


def test_suggestions_are_refused(ask: Ask) -> None:
    reply = ask("POST", "/suggest", json={"q": "a", "s": "b", "source": "en", "target": "de"})
    assert (reply.status_code, reply.json()) == (403, {"error": "suggestions are not collected on this server"})


def test_detection(ask: Ask) -> None:
    (found,) = ask("POST", "/detect", json={"q": GERMAN}).json()
    assert (found["language"], found["confidence"] > 90) == ("de", True)
    assert ask("POST", "/detect", data={"q": "12 + 30"}).json() == [{"confidence": 0, "language": "en"}]
    two = {"q": ["a", "b"]}
    wrong: list[dict[str, Any]] = [{"json": {}}, {"json": two}, {"data": two}, {"json": {"q": "a", "b": 1}}]
    for sent in wrong:
        reply = ask("POST", "/detect", **sent)
        assert (reply.status_code, set(reply.json())) == (400, {"error"})


def test_without_translation_there_is_detection(suite: LocalSuite, connect: Connect) -> None:
    own = replace(suite, translation=None)

    async def ask() -> list[int]:
        async with connect(own) as client:
            detected = await client.post("/detect", json={"q": GERMAN})
            others = [await client.post(path, json=FIELDS) for path in ("/translate", "/translate_file", "/suggest")]
            return [reply.status_code for reply in (detected, *others, await client.get("/languages"))]

    assert asyncio.run(ask()) == [200, 404, 404, 404, 404]


def test_a_key_may_be_in_the_body(suite: LocalSuite, connect: Connect, tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    _, key = file.create("somebody", Allowance(), None, datetime.now(UTC))
    access = AccessControl(Keyring(file), Ledger(UsageBook(tmp_path)))

    async def ask() -> list[int]:
        async with connect(suite, access=access) as client:
            assert (await client.get("/frontend/settings")).json()["keyRequired"]
            replies = []
            for path, fields in (("/translate", FIELDS), ("/detect", {"q": "a"})):
                ways: list[dict[str, Any]] = [
                    {"json": {**fields, "api_key": key}},
                    {"data": {**fields, "api_key": key}},
                    {"params": {**fields, "api_key": key}},
                    {"json": fields, "headers": {"Authorization": f"Bearer {key}"}},
                    {"json": {**fields, "api_key": "wrong"}},
                    {"json": fields},
                ]
                replies += [await client.post(path, **way) for way in ways]
            assert all(set(reply.json()) == {"error"} for reply in replies if reply.status_code != 200)
            return [reply.status_code for reply in replies]

    assert asyncio.run(ask()) == [200, 200, 200, 200, 403, 403] * 2
