"""What each command asks of the server."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from rondo_services.cli import app
from rondo_services.client import Client
from rondo_services.commands import answering

ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/sentiment": {"label": "positive", "score": 0.98765, "scores": {"positive": 0.98765}, "language": "en"},
    "/v1/translate": {"translation": "Ja", "source": "en", "target": "de", "score": -0.5},
    "/v1/summarize": {"summary": "News", "language": "en", "score": -0.5, "sentences_read": 1, "sentences_total": 1},
    "/v1/generate": {
        "text": " is",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What has been asked of a server that answers all texts alike."""
    requests: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content)
        requests.append((path, body))
        if body.get("stream"):
            events = "".join(f"data: {json.dumps({'index': 0, 'text': text})}\n\n" for text in (" is", " long"))
            return httpx.Response(200, text=f"{events}data: [DONE]\n\n")
        count = len(body["prompt" if path == "/v1/generate" else "text"])
        return httpx.Response(200, json={"model": "m", "results": [ANSWERS[path]] * count})

    monkeypatch.setattr(answering, "Client", partial(Client, transport=httpx.MockTransport(answer)))
    monkeypatch.setenv("RONDO_SERVER", "http://rondo.test")
    return requests


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_is_not_given_is_left_to_the_server(asked: list[tuple[str, Any]]) -> None:
    assert _run("sentiment", "a", "b") == "positive\t0.9877\npositive\t0.9877\n"
    assert _run("translate", "--to", "de", "a") == "Ja\n"
    assert _run("summarize", "a") == "News\n"
    assert _run("generate", "a", "b") == " is\n is\n"
    assert asked == [
        ("/v1/sentiment", {"text": ["a", "b"]}),
        ("/v1/translate", {"text": ["a"], "target": "de"}),
        ("/v1/summarize", {"text": ["a"]}),
        ("/v1/generate", {"prompt": ["a", "b"]}),
    ]


def test_what_is_given_is_asked_for(asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    glossary = tmp_path / "terms.json"
    glossary.write_text('{"station": "Haltestelle"}')
    _run("sentiment", "--language", "de", "a")
    _run(
        *("translate", "--to", "de", "--from", "en", "--beam-size", "2", "--rerank", "0.5", "--format", "html"),
        *("--glossary", str(glossary), "--explain", "--json", "a"),
    )
    _run("summarize", "--max-tokens", "5", "--beam-size", "1", "a")
    assert [body for _, body in asked] == [
        {"text": ["a"], "language": "de"},
        {
            "text": ["a"],
            "target": "de",
            "source": "en",
            "beam_size": 2,
            "rerank": 0.5,
            "format": "html",
            "glossary": {"station": "Haltestelle"},
            "explain": True,
        },
        {"text": ["a"], "max_tokens": 5, "beam_size": 1},
    ]


def test_a_single_prompt_is_streamed_and_with_json_it_is_not(asked: list[tuple[str, Any]]) -> None:
    options = ("--max-tokens", "5", "--temperature", "0", "--top-k", "3", "--top-p", "0.5", "--seed", "7")
    assert _run("generate", *options, "--stop", ".", "--stop", "!", "a") == " is long\n"
    assert json.loads(_run("generate", *options, "--json", "a")) == ANSWERS["/v1/generate"]
    given = {"max_tokens": 5, "temperature": 0, "top_k": 3, "top_p": 0.5, "seed": 7}
    assert [body for _, body in asked] == [
        {"prompt": "a", **given, "stop": [".", "!"], "stream": True},
        {"prompt": ["a"], **given},
    ]
