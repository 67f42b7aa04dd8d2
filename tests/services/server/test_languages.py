"""Which languages each protocol takes: those of the vocabulary of the bundle, and whatever it is called there."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.releases.release import Release
from rondo_services.releases.slot import Slot
from rondo_services.server.app import create_app
from rondo_services.server.jobs.answering import RequestAnswerer
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
TEXT = "Le bateau est lent."


def _ask(suite: LocalSuite, connect: Connect, method: str, path: str, **content: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.request(method, path, **content)

    return asyncio.run(ask())


def _tensor(target: str) -> dict[str, Any]:
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["The boat is slow."]}
    return {"inputs": [text], "parameters": {"source": "en", "target": target}}


def _file(target: str) -> dict[str, Any]:
    return {"files": {"file": ("boat.txt", b"The boat is slow.")}, "data": {"source": "en", "target": target}}


ASKED: dict[str, tuple[str, Callable[[str], dict[str, Any]], str]] = {
    "native": (
        "/v1/translate",
        lambda target: {"json": {"text": "The boat is slow.", "source": "en", "target": target}},
        "target",
    ),
    "libretranslate": (
        "/translate",
        lambda target: {"json": {"q": "The boat is slow.", "source": "en", "target": target}},
        "target",
    ),
    "file": ("/translate_file", _file, "target"),
    "hugging face": (
        "/models/translation",
        lambda target: {"json": {"inputs": "The boat is slow.", "parameters": {"src_lang": "en", "tgt_lang": target}}},
        "parameters.tgt_lang",
    ),
    "open inference": ("/v2/models/translation/infer", lambda target: {"json": _tensor(target)}, "target"),
}


@pytest.mark.parametrize("name", ASKED)
def test_french_is_translated_into_and_german_is_refused(french_suite: LocalSuite, connect: Connect, name: str) -> None:
    path, content, field = ASKED[name]
    assert _ask(french_suite, connect, "POST", path, **content("fr")).status_code == 200
    refused = _ask(french_suite, connect, "POST", path, **content("de"))
    assert refused.status_code in (400, 422)
    error = refused.json()["error"]
    message = error["message"] if isinstance(error, dict) else error
    assert message == f"{field}: Input should be 'en' or 'fr'"


@pytest.mark.parametrize("name", ASKED)
def test_a_bundle_without_french_refuses_it_as_ever(suite: LocalSuite, connect: Connect, name: str) -> None:
    path, content, field = ASKED[name]
    assert _ask(suite, connect, "POST", path, **content("de")).status_code == 200
    refused = _ask(suite, connect, "POST", path, **content("fr"))
    assert f"{field}: Input should be 'en', 'de' or 'ko'" in refused.text


def test_french_is_found_out(french_suite: LocalSuite, suite: LocalSuite, connect: Connect) -> None:
    body = {"json": {"text": [TEXT, "merci"], "target": "en"}}
    results = _ask(french_suite, connect, "POST", "/v1/translate", **body).json()["results"]
    assert [own["source"] for own in results] == ["fr", "fr"]
    assert "not trained" not in results[0]["warning"]  # but that random weights write without an end
    other = _ask(suite, connect, "POST", "/v1/translate", **body).json()["results"]
    assert [own["source"] for own in other] == ["fr", "en"]  # a word alone is taken to be of a language of the bundle
    assert other[0]["warning"].startswith("not trained to translate 'fr' into 'en'; the result may be poor")
    for own, language in ((french_suite, "fr"), (suite, "en")):
        assert _ask(own, connect, "POST", "/detect", json={"q": "merci"}).json()[0]["language"] == language
        asked = {"json": {"q": "merci", "source": "auto", "target": "en"}}
        found = _ask(own, connect, "POST", "/translate", **asked).json()["detectedLanguage"]
        assert found["language"] == language


def test_sentiment_may_be_told_the_language(french_suite: LocalSuite, suite: LocalSuite, connect: Connect) -> None:
    reply = _ask(french_suite, connect, "POST", "/v1/sentiment", json={"text": TEXT, "language": "fr"})
    (result,) = reply.json()["results"]
    assert (result["language"], "warning" in result) == ("fr", False)
    for own, language, told in (
        (french_suite, "ko", "language: Input should be 'auto', 'en' or 'fr'"),
        (suite, "fr", "language: Input should be 'auto', 'en', 'de' or 'ko'"),
    ):
        refused = _ask(own, connect, "POST", "/v1/sentiment", json={"text": TEXT, "language": language})
        assert (refused.status_code, refused.json()["error"]["message"]) == (422, told)


def test_languages_are_listed_by_name(french_suite: LocalSuite, connect: Connect) -> None:
    assert _ask(french_suite, connect, "GET", "/languages").json() == [
        {"code": "en", "name": "English", "targets": ["en", "fr"]},
        {"code": "fr", "name": "French", "targets": ["en", "fr"]},
    ]
    chosen = _ask(french_suite, connect, "GET", "/frontend/settings").json()["language"]
    assert chosen["target"] == {"code": "fr", "name": "French"}
    missing = _ask(french_suite, connect, "POST", "/models/translation", json={"inputs": "a"})
    assert missing.json()["error"] == "body: parameters.tgt_lang is missing; choose among en, fr"


def _described(suite: LocalSuite, connect: Connect) -> tuple[Any, Any]:
    """The targets of the native request, and of LibreTranslate's as JSON."""
    whole = _ask(suite, connect, "GET", "/openapi.json").json()
    own = whole["components"]["schemas"]["TranslateRequest"]["properties"]["target"]
    body = whole["paths"]["/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return own, body["properties"]["target"]


def test_the_description_has_the_languages_of_the_bundle(
    french_suite: LocalSuite, suite: LocalSuite, connect: Connect
) -> None:
    for own, languages, example in ((french_suite, ["en", "fr"], "fr"), (suite, ["en", "de", "ko"], "de")):
        for described in _described(own, connect):
            assert (described["enum"], described["examples"]) == (languages, [example])


def test_of_two_bundles_each_says_what_it_lacks(french_suite: LocalSuite, suite: LocalSuite) -> None:
    slots = [Slot(own.name, Release(Path(), Path(), own)) for own in (suite, french_suite)]
    app = create_app(Fleet(slots), ServerSettings(), ServerMetrics())

    async def ask(target: str, model: str) -> httpx.Response:
        body = {"text": "The boat is slow.", "source": "en", "target": target, "model": model}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/v1/translate", json=body)

    async def scenario() -> list[httpx.Response]:
        return [await ask("fr", "tiny-fr"), await ask("de", "tiny"), await ask("fr", "tiny"), await ask("es", "tiny")]

    french, german, lacking, unknown = asyncio.run(scenario())
    assert (french.status_code, german.status_code) == (200, 200)
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (422, "not_served")
    assert lacking.json()["error"]["message"] == "no translation en→fr; served are en→de, de→en"
    assert unknown.json()["error"]["message"] == "target: Input should be 'en', 'de', 'ko' or 'fr'"


@pytest.mark.parametrize(
    ("named", "status", "language"), [(None, 200, "fr"), ("tiny-fr", 200, "fr"), ("tiny", 200, "en"), ("x", 404, None)]
)
def test_a_language_is_told_among_those_of_all_bundles_or_of_the_one_that_is_named(
    french_suite: LocalSuite, suite: LocalSuite, named: str | None, status: int, language: str | None
) -> None:
    slots = [Slot(own.name, Release(Path(), Path(), own)) for own in (suite, french_suite)]
    app = create_app(Fleet(slots), ServerSettings(), ServerMetrics())

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            headers = {} if named is None else {"X-Rondo-Bundle": named}
            return await client.post("/detect", json={"q": "merci"}, headers=headers)

    reply = asyncio.run(ask())
    assert reply.status_code == status
    if language is not None:
        assert reply.json()[0]["language"] == language


def test_requests_of_batches_know_the_same_languages(french_suite: LocalSuite) -> None:
    async def ask(target: str) -> tuple[int, Any]:
        body = f'{{"text": "The boat is slow.", "source": "en", "target": "{target}"}}'.encode()
        reply = await RequestAnswerer(french_suite, ServerSettings()).answer("/v1/translate", body)
        return reply.status, reply.body

    assert asyncio.run(ask("fr"))[0] == 200
    status, body = asyncio.run(ask("de"))
    assert (status, body["error"]["message"]) == (422, "target: Input should be 'en' or 'fr'")


def test_a_fleet_knows_the_languages_of_all_releases(french_suite: LocalSuite, suite: LocalSuite) -> None:
    slot = Slot("tiny", Release(Path(), Path(), suite))
    assert Fleet([slot]).languages == ("en", "de", "ko")
    slot.canary = Release(Path(), Path(), replace(french_suite, sentiment=None))
    assert Fleet([slot]).languages == ("en", "de", "ko", "fr")
