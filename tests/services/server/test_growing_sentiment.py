"""A text that comes piece by piece over a WebSocket is scored as the whole text would be."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import WebSocketDisconnect
from starlette.types import Message

from rondo_models.bundle import Bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import Contents, Manifest
from rondo_models.model import RondoModel
from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import Usage, UsageBook
from rondo_services.engine.requests import Work
from rondo_services.errors import Overloaded
from rondo_services.local import LocalSuite, suite_of
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings
from rondo_services.suite import Suite, Terms

TEXT = "The boat is slow. 배가 천천히 간다. Das Boot und der Zug sind langsam."

ODD = "\ufeffThe\u00a0boat \u200b is\r\nslo\u00adw.\u3000 Late"


@pytest.fixture(scope="module")
def suite(bundle: Bundle) -> Iterator[LocalSuite]:
    """Like the other tests' tiny bundle, with a head for growing text."""
    torch.manual_seed(0)
    heads = {
        "sentiment": ClassifierConfig(labels=("negative", "positive"), hidden_size=8),
        "running_sentiment": ClassifierConfig(
            labels=("negative", "positive"), hidden_size=8, reads="forward", ngram_buckets=64
        ),
    }
    model = RondoModel(bundle.model.backbone.config, heads).eval().requires_grad_(False)
    services = {"sentiment": {"languages": ["en"], "running_head": "running_sentiment"}}
    contents = Contents(Manifest("tiny", "1", ("en",), services), model.configs(), bundle.tokenizer, "tiny")
    loaded = suite_of(Bundle(contents, model), max_wait_s=0, precision="float32")
    yield loaded
    loaded.close()


def _converse(
    suite: LocalSuite,
    messages: Sequence[str | bytes],
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    access: AccessControl | None = None,
    **settings: Any,
) -> tuple[list[Any], int | None]:
    """Send messages, each after the answer to the one before; the answers, and the code if the server closed."""
    app = create_app(Fleet.of(suite), ServerSettings(**settings), ServerMetrics(), access=access)

    async def scenario() -> tuple[list[Any], int | None]:
        waiting = [*messages]
        answered = asyncio.Semaphore(1)
        answers: list[Any] = []
        code: int | None = None
        connecting = True

        async def receive() -> Message:
            nonlocal connecting
            if connecting:
                connecting = False
                return {"type": "websocket.connect"}
            await answered.acquire()
            if not waiting:
                return {"type": "websocket.disconnect", "code": 1000}
            message = waiting.pop(0)
            return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

        async def send(message: Message) -> None:
            nonlocal code
            if message["type"] == "websocket.send":
                answers.append(json.loads(message["text"]))
                answered.release()
            if message["type"] == "websocket.close":
                code = message["code"]

        scope = {
            **{"type": "websocket", "path": "/v1/sentiment", "subprotocols": []},
            **{"headers": headers, "query_string": query},
        }
        await app(scope, receive, send)
        return answers, code

    return asyncio.run(scenario())


def _whole(suite: LocalSuite, text: str) -> list[float]:
    model = suite.bundle.model
    assert suite.sentiment is not None
    ids = torch.tensor([suite.sentiment.work(text).ids])
    encoded = model.backbone.encode(ids, torch.tensor([ids.shape[1]]))
    scores: list[float] = model.classifier("running_sentiment")(encoded).softmax(dim=-1)[0].tolist()
    return scores


def _by_characters(text: str) -> list[str]:
    return list(text)


def _by_words(text: str) -> list[str]:
    return [piece for n, word in enumerate(text.split(" ")) if (piece := f" {word}" if n else word)]


def _at_once(text: str) -> list[str]:
    return [text]


@pytest.mark.parametrize("cut", [_by_characters, _by_words, _at_once])
@pytest.mark.parametrize("text", [TEXT, " The  boat is  late ", "기차가 천천히 간다.", ODD])
def test_each_piece_is_scored_as_all_that_has_come(
    suite: LocalSuite, cut: Callable[[str], list[str]], text: str
) -> None:
    pieces = cut(text)
    replies, _ = _converse(suite, [json.dumps({"text": piece}) for piece in pieces])
    for count, reply in enumerate(replies, 1):
        so_far = "".join(pieces[:count])
        assert list(reply["scores"].values()) == pytest.approx(_whole(suite, so_far), abs=1e-4)
        assert reply["num_characters"] == len(so_far)
    assert len(replies) == len(pieces)


def test_the_language_is_told_from_as_much_as_of_a_whole_text(suite: LocalSuite) -> None:
    """By 500 characters this was English, and Korean for `POST`."""
    pieces = ["The boat is slow. " * 30, "기차가 천천히 간다. " * 90]
    assert len(pieces[0]) > 500
    replies, _ = _converse(suite, [json.dumps({"text": piece}) for piece in pieces])
    assert suite.sentiment is not None
    whole = suite.sentiment.result("".join(pieces), "auto", [0.5, 0.5])
    assert [reply["language"] for reply in replies] == ["en", whole.language] == ["en", "ko"]


def test_a_word_without_end_is_cut(suite: LocalSuite) -> None:
    """Otherwise each piece would cost more than the one before."""
    assert suite.sentiment is not None
    growing = suite.sentiment.growing_text()
    assert max(len(growing.add("배가간다").ids) for _ in range(200)) < 400


@pytest.mark.parametrize(
    "message", ["no json", '{"text": ""}', '{"txt": "a"}', "[]", '{"text": "a", "language": "fr"}']
)
def test_a_bad_message_is_refused_and_ends_the_text(suite: LocalSuite, message: str) -> None:
    (reply,), code = _converse(suite, [message, json.dumps({"text": "more"})])
    assert reply["error"]["code"] == "invalid_input"
    assert code == 1008


@pytest.mark.parametrize(
    ("query", "headers", "told"),
    [
        (b"modle=tiny", [], "modle: the query may have model alone"),
        (b"", [(b"x-priority", b"urgent")], "X-Priority must be interactive or batch"),
        (b"", [(b"x-request-timeout-ms", b"soon")], "X-Request-Timeout-Ms must be a whole number"),
    ],
)
def test_what_the_handshake_asks_for_is_refused_if_it_cant_be(
    suite: LocalSuite, query: bytes, headers: list[tuple[bytes, bytes]], told: str
) -> None:
    (reply,), code = _converse(suite, [json.dumps({"text": "a"})], query, headers)
    assert reply["error"]["message"].startswith(told)
    assert code == 1008


def test_the_handshake_may_name_the_model_and_the_terms(suite: LocalSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Terms] = []
    own_run = Suite.run

    async def run(self: Suite, works: Sequence[Work], terms: Terms) -> list[Any]:
        given.append(terms)
        return await own_run(self, works, terms)

    monkeypatch.setattr(Suite, "run", run)
    headers = [(b"x-priority", b"batch"), (b"x-request-timeout-ms", b"30000")]
    began = time.monotonic()
    replies, _ = _converse(suite, [json.dumps({"text": "a"})] * 2, b"model=tiny", headers)
    assert all("scores" in reply for reply in replies)
    assert [terms.priority for terms in given] == ["batch", "batch"]
    first, second = (terms.deadline for terms in given)
    assert first is not None
    assert second is not None
    assert began + 30 <= first < second <= time.monotonic() + 30


def test_a_text_has_a_limit(suite: LocalSuite) -> None:
    pieces = [json.dumps({"text": piece}) for piece in ("The boat", " is slow")]
    replies, code = _converse(suite, pieces, max_body_bytes=10)
    assert "scores" in replies[0]
    assert "more than 10 characters" in replies[1]["error"]["message"]
    assert code == 1008


def test_a_bundle_without_such_a_head_says_so(bundle: Bundle) -> None:
    plain = suite_of(bundle, max_wait_s=0)
    (reply,), code = _converse(plain, [json.dumps({"text": "The boat"})])
    assert (reply["error"]["code"], code) == ("not_served", 1008)
    plain.close()


def test_a_piece_is_no_longer_than_a_text_may_be(suite: LocalSuite) -> None:
    """One piece of 300,000 characters held up all others for 20 seconds."""
    replies, code = _converse(suite, [json.dumps({"text": "The boat " * 50})], max_text_tokens=100)
    assert replies[0]["error"]["field"] == "text"
    assert "at most 100" in replies[0]["error"]["message"]
    assert code == 1008


def test_a_piece_has_no_more_characters_than_a_text(suite: LocalSuite) -> None:
    replies, code = _converse(suite, [json.dumps({"text": "a" * 200_001})])
    assert "at most 200000 characters" in replies[0]["error"]["message"]
    assert code == 1008


def test_a_key_is_looked_at_with_each_piece(suite: LocalSuite, tmp_path: Path) -> None:
    """A revoked key went on as long as its connection."""
    file = KeyFile(tmp_path)
    _, key = file.create("shop", Allowance(requests_per_day=3), None, datetime.now(UTC))
    replies, code = _converse(
        suite,
        [json.dumps({"text": "The boat "})] * 4,
        headers=[(b"x-api-key", key.encode())],
        access=AccessControl(Keyring(file), Ledger(UsageBook(tmp_path))),
    )
    assert [reply.get("num_characters") for reply in replies] == [9, 18, None]  # the handshake is the first request
    assert (replies[-1]["error"]["code"], code) == ("limit_reached", 1013)


def test_a_client_that_leaves_before_an_error_is_told_breaks_nothing(suite: LocalSuite) -> None:
    app = create_app(Fleet.of(suite), ServerSettings(), ServerMetrics())

    async def scenario() -> None:
        coming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "no JSON"}]

        async def receive() -> Any:
            return coming.pop(0)

        async def send(message: Message) -> None:
            if message["type"] == "websocket.send":
                raise WebSocketDisconnect

        await app(
            {"type": "websocket", "path": "/v1/sentiment", "subprotocols": [], "headers": (), "query_string": b""},
            receive,
            send,
        )

    asyncio.run(scenario())


def test_a_long_piece_is_read_in_parts(bundle: Bundle, suite: LocalSuite) -> None:
    text = TEXT * 40
    (reply,), _ = _converse(suite, [json.dumps({"text": text})])
    assert list(reply["scores"].values()) == pytest.approx(_whole(suite, text), abs=1e-4)


def test_binary_messages_are_refused_in_words(suite: LocalSuite) -> None:
    replies, code = _converse(suite, [b'{"text": "hi"}'])
    assert "as text" in replies[0]["error"]["message"]
    assert code == 1008


def test_a_piece_that_is_not_answered_costs_no_characters(
    suite: LocalSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file, num_asked = Suite.run, KeyFile(tmp_path), 0
    record, key = file.create("shop", Allowance(), None, datetime.now(UTC))

    async def full_the_second_time(own: Suite, works: Sequence[Work], terms: Terms) -> list[Any]:
        nonlocal num_asked
        num_asked += 1
        if num_asked == 2:
            raise Overloaded("full", retry_after_s=1)
        return await run(own, works, terms)

    monkeypatch.setattr(Suite, "run", full_the_second_time)
    ledger = Ledger(UsageBook(tmp_path))
    _, code = _converse(
        suite,
        [json.dumps({"text": "The boat "})] * 2,
        headers=[(b"x-api-key", key.encode())],
        access=AccessControl(Keyring(file), ledger),
    )
    assert code == 1013
    assert ledger.today(record.id) == Usage(3, 9)
