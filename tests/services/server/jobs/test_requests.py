"""Answers to the items of a batch."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from rondo_services.engine.requests import Work
from rondo_services.errors import EngineFailed
from rondo_services.jobs.items import BadItem, Item
from rondo_services.server.jobs.requests import RequestReply, RequestsTask


class Server:
    """Gives the replies that it was told, then 200."""

    def __init__(self, *replies: RequestReply) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, Any]] = []
        self.open = self.most_open = 0

    async def answer(self, endpoint: str, body: bytes) -> RequestReply:
        self.asked.append((endpoint, json.loads(body)))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        return self.replies.pop(0) if self.replies else RequestReply(200, "r", {"echo": json.loads(body)})


async def _never(works: Sequence[Work]) -> list[Any]:
    raise AssertionError("requests are answered by the server")


def _items(count: int) -> list[Item]:
    return [Item(n, n + 1, json.dumps({"text": str(n)}), id=f"id-{n}") for n in range(count)]


def _answers(server: Server, count: int) -> list[Any]:
    async def ask() -> list[Any]:
        return list(
            await RequestsTask(server.answer, "/v1/sentiment", asyncio.Semaphore(5)).answer(_items(count), _never)
        )

    return asyncio.run(ask())


def test_replies_are_told_in_the_order_of_the_items_and_few_are_open_at_once() -> None:
    server = Server()
    answers = _answers(server, 50)
    assert [answer["custom_id"] for answer in answers] == [f"id-{n}" for n in range(50)]
    assert answers[7]["response"] == {"status_code": 200, "request_id": "r", "body": {"echo": {"text": "7"}}}
    assert server.asked[0] == ("/v1/sentiment", {"text": "0"})
    assert 1 < server.most_open <= 5


def test_a_refused_request_is_a_bad_item_with_its_reply() -> None:
    good, bad = _answers(Server(RequestReply(200, "a", {}), RequestReply(422, "b", {"error": {"code": "x"}})), 2)
    assert good["response"]["status_code"] == 200
    assert isinstance(bad, BadItem)
    assert (bad.index, bad.line) == (1, 2)
    response = {"status_code": 422, "request_id": "b", "body": {"error": {"code": "x"}}}
    assert json.loads(bad.reason) == {"custom_id": "id-1", "response": response}


def test_want_of_room_is_waited_for_as_long_as_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("rondo_services.server.jobs.requests.asyncio.sleep", note)
    server = Server(RequestReply(429, "a", {}, retry_after_s=7), RequestReply(429, "b", {}, retry_after_s=3))
    (answer,) = _answers(server, 1)
    assert answer["response"]["status_code"] == 200
    assert [wait for wait in waits if wait] == [7, 3]


def test_a_broken_engine_answers_nothing_of_the_chunk() -> None:
    with pytest.raises(EngineFailed):
        _answers(Server(RequestReply(503, "a", {})), 3)
