"""LibreTranslate's clients, unmodified, against the real server; and files through its protocol."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import docx
import httpx
import polib
import pytest
import srt
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException, ServerException
from libretranslatepy import LibreTranslateAPI
from tests.system.asking import HANGUL, PAIRS, TEXTS, post
from tests.system.conftest import Launch, RunningServer

from rondo_services.access.commands import create


@pytest.fixture
def url(client: httpx.Client) -> str:
    return str(client.base_url)


# libretranslatepy


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_libretranslatepy_translates(client: httpx.Client, url: str, source: str, target: str) -> None:
    (native,) = post(client, "/v1/translate", text=TEXTS[source], source=source, target=target)
    assert LibreTranslateAPI(url).translate(TEXTS[source], source, target) == native["translation"]


def test_libretranslatepy_over_english(url: str) -> None:
    api = LibreTranslateAPI(url)
    assert HANGUL.search(api.translate(TEXTS["de"], "de", "ko"))
    assert not HANGUL.search(api.translate(TEXTS["ko"], "ko", "de"))
    assert api.translate(TEXTS["de"], "de", "de") == TEXTS["de"]


def test_libretranslatepy_detects_and_lists(url: str) -> None:
    api = LibreTranslateAPI(url, api_key="whatever")
    for language, text in TEXTS.items():
        ((found),) = api.detect(text)
        assert (found["language"], found["confidence"] > 80) == (language, True)
    languages = {own["code"]: own for own in api.languages()}
    assert {code: own["name"] for code, own in languages.items()} == {"de": "German", "en": "English", "ko": "Korean"}
    assert all(own["targets"] == ["de", "en", "ko"] for own in languages.values())


@pytest.mark.parametrize(("q", "source", "target"), [("a", "xx", "de"), ("a", "en", "xx"), ("x" * 200_001, "en", "de")])
def test_libretranslatepy_is_told_what_is_wrong(url: str, q: str, source: str, target: str) -> None:
    with pytest.raises(HTTPError) as raised:
        LibreTranslateAPI(url).translate(q, source, target)
    with raised.value as reply:
        assert reply.code == 400
        assert reply.read().startswith(b'{"error":"')


# deep-translator


def test_deep_translator(url: str) -> None:
    translator = LibreTranslator(source="German", target="English", api_key="whatever", custom_url=f"{url}/")
    expected = LibreTranslateAPI(url).translate(TEXTS["de"], "de", "en")
    assert translator.translate(TEXTS["de"]) == expected
    assert translator.translate_batch([TEXTS["de"], "Guten Morgen!"])[0] == expected
    automatic = LibreTranslator(source="auto", target="ko", api_key="whatever", custom_url=f"{url}/")
    assert HANGUL.search(automatic.translate(TEXTS["en"]))


def test_deep_translator_files(url: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXTS["de"])
    translator = LibreTranslator(source="de", target="en", api_key="whatever", custom_url=f"{url}/")
    assert translator.translate_file(str(path)) == translator.translate(TEXTS["de"])


def test_deep_translator_is_told_what_is_wrong(url: str) -> None:
    with pytest.raises(ServerException, match="ERR_BAD_REQUEST"):
        LibreTranslator(source="fr", target="en", api_key="whatever", custom_url=f"{url}/").translate("Bonjour")


@pytest.fixture
def locked(launch: Launch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[RunningServer, str]]:
    """A server that asks for keys, and a key."""
    create("somebody", state_dir=tmp_path)
    key = capsys.readouterr().out.strip()
    with launch(settings={"state_dir": str(tmp_path), "require_key": "always"}) as running:
        yield running, key


def test_clients_with_keys(locked: tuple[RunningServer, str]) -> None:
    server, key = locked
    url = str(server.client.base_url)
    assert LibreTranslateAPI(url, key).translate("Guten Morgen!", "de", "en")
    assert LibreTranslateAPI(url, key).detect("Guten Morgen!")
    assert LibreTranslateAPI(url, key).languages()
    assert LibreTranslator(source="de", target="en", api_key=key, custom_url=f"{url}/").translate("Guten Morgen!")
    with pytest.raises(AuthorizationException):
        LibreTranslator(source="de", target="en", api_key="wrong", custom_url=f"{url}/").translate("Guten Morgen!")
    for own in (None, "wrong"):
        with pytest.raises(HTTPError) as raised:
            LibreTranslateAPI(url, own).translate("Guten Morgen!", "de", "en")
        with raised.value as reply:
            assert reply.code == 403


# What other clients send


def test_as_the_npm_package_translate_asks(client: httpx.Client) -> None:
    """It sends JSON, without a key if it has none, and throws if the reply has an error."""
    reply = client.post("/translate", json={"q": TEXTS["en"], "source": "en", "target": "ko"}).json()
    assert HANGUL.search(reply["translatedText"])
    assert client.post("/translate", json={"q": "a", "source": "en", "target": "fr"}).json()["error"]


def test_as_mastodon_asks(client: httpx.Client) -> None:
    """It sends a list of HTML, and reads the detected language of each."""
    posts = [f"<p>{TEXTS['de']} <a href='https://a.example/?b=c'>Ein Bild</a></p>", f"<p>{TEXTS['en']}</p>"]
    body = {"q": posts, "source": "auto", "target": "ko", "format": "html", "api_key": None}
    reply = client.post("/translate", json=body).json()
    assert [own["language"] for own in reply["detectedLanguage"]] == ["de", "en"]
    first, second = reply["translatedText"]
    assert re.fullmatch(r"<p>[^<]*<a href='https://a\.example/\?b=c'>[^<]+</a>[^<]*</p>", first)
    assert re.fullmatch(r"<p>[^<]+</p>", second)
    assert HANGUL.search(first)
    assert HANGUL.search(second)


def test_as_its_own_page_asks(client: httpx.Client) -> None:
    """A form of several parts with alternatives."""
    fields = {"q": TEXTS["de"], "source": "auto", "target": "en", "format": "text", "alternatives": "3", "api_key": ""}
    reply = client.post("/translate", files={name: (None, value) for name, value in fields.items()}).json()
    assert reply["detectedLanguage"]["language"] == "de"
    assert 1 <= len(set(reply["alternatives"])) <= 3
    assert reply["translatedText"] not in reply["alternatives"]


# Files


def translated(client: httpx.Client, name: str, data: bytes, **fields: str) -> bytes:
    reply = client.post("/translate_file", files={"file": (name, data)}, data={"source": "auto", **fields})
    assert reply.status_code == 200, reply.text
    file = client.get(reply.json()["translatedFileUrl"])
    assert file.status_code == 200
    return file.content


def test_text(client: httpx.Client) -> None:
    lines = translated(client, "a.txt", f"{TEXTS['en']}\r\n\r\n  {TEXTS['en']}\r\n".encode("utf-16"), target="ko")
    first, empty, second, rest = lines.decode("utf-16").split("\r\n")
    assert HANGUL.search(first)
    assert (empty, rest, second) == ("", "", f"  {first}")


def test_subtitles(client: httpx.Client) -> None:
    file = (
        "5\n00:00:01,000 --> 00:00:02,000\nWhere is\nthe station?\n\n6\n00:00:03,000 --> 00:00:04,000\n<i>Here.</i>\n"
    )
    first, second = srt.parse(translated(client, "a.srt", file.encode(), target="de").decode())
    old = list(srt.parse(file))
    assert [(own.index, own.start, own.end) for own in (first, second)] == [(o.index, o.start, o.end) for o in old]
    assert first.content.count("\n") <= 1
    assert first.content != old[0].content
    assert re.fullmatch("<i>.+</i>", second.content)


def test_page(client: httpx.Client) -> None:
    paragraph = f"<p>{TEXTS['en']} <b>Very nice!</b></p>"
    page = f"<!DOCTYPE html>\n<title>A page</title><body class=x>{paragraph}\n<script>a<b</script>"
    own = translated(client, "a.html", page.encode(), target="de", source="en").decode()
    assert re.fullmatch(
        r"<!DOCTYPE html>\n<title>[^<]+</title><body class=x><p>[^<]*<b>[^<]*</b>[^<]*</p>\n<script>a<b</script>", own
    )


def test_catalog(client: httpx.Client) -> None:
    file = 'msgid ""\nmsgstr ""\n"Language: de\\n"\n\n#, c-format\nmsgid "Open the file %s?"\nmsgstr ""\n'
    (entry,) = polib.pofile(translated(client, "a.po", file.encode(), target="de", source="en").decode())
    assert "%s" in entry.msgstr
    assert entry.flags == ["fuzzy", "c-format"]


def test_word_document(client: httpx.Client) -> None:
    document, output = docx.Document(), io.BytesIO()
    paragraph = document.add_paragraph("Der kleine Junge hat einen ")
    paragraph.add_run("roten").bold = True
    paragraph.add_run(" Ball.")
    document.add_table(1, 1).cell(0, 0).text = TEXTS["de"]
    document.save(output)
    own = docx.Document(io.BytesIO(translated(client, "a.docx", output.getvalue(), target="en")))
    bold = [run.text.strip() for run in own.paragraphs[0].runs if run.bold]
    assert len(bold) == 1
    assert "red" in bold[0]
    assert own.tables[0].cell(0, 0).text != TEXTS["de"]


def test_a_long_file_is_translated_behind_the_clients_back(client: httpx.Client) -> None:
    lines = [f"{number}. {TEXTS['en']}\n" for number in range(200)]
    reply = client.post(
        "/translate_file",
        files={"file": ("a.txt", "".join(lines).encode())},
        data={"source": "en", "target": "de"},
        headers={"Prefer": "respond-async"},
    )
    assert reply.status_code == 202
    shares = []
    while (status := client.get(reply.headers["location"]).json())["status"] == "running":
        shares.append(status["progress"])
        post(client, "/v1/sentiment", text="Others are served meanwhile.")
    assert status["status"] == "done", status
    assert shares == sorted(shares)
    assert len(client.get(status["translatedFileUrl"]).text.splitlines()) == len(lines)


def test_what_is_no_file_of_its_kind(client: httpx.Client) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", b" " * 20_000_000)
    wrong: list[tuple[str, bytes]] = [("a.docx", bomb.getvalue()), ("a.pdf", b"%PDF"), ("a.txt", b"\xff\xff\xff")]
    for name, data in wrong:
        fields: dict[str, Any] = {"source": "en", "target": "de"}
        reply = client.post("/translate_file", files={"file": (name, data)}, data=fields)
        assert (reply.status_code, set(reply.json())) == (400, {"error"})
