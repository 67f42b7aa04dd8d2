"""A growing text's side of the WebSocket, against a server that answers as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from rondo_services.client import AsyncClient, ConnectionFailed
from rondo_services.errors import EngineFailed, InvalidInput, NotAuthenticated, TimedOut

POSITIVE = {"label": "positive", "score": 0.9, "scores": {"positive": 0.9}, "language": "en"}


def _against(
    answer: Callable[[ServerConnection], Awaitable[None]],
    scenario: Callable[[AsyncClient], Awaitable[None]],
    refuse: Callable[[ServerConnection, Request], Response | None] | None = None,
    **settings: Any,
) -> None:
    async def run() -> None:
        async with serve(answer, "127.0.0.1", 0, process_request=refuse) as server:
            port = server.sockets[0].getsockname()[1]
            async with AsyncClient(f"http://127.0.0.1:{port}", api_key="secret", **settings) as client:
                await scenario(client)

    asyncio.run(run())


async def _counting(socket: ServerConnection) -> None:
    assert socket.request is not None
    assert (socket.request.path, socket.request.headers["Authorization"]) == ("/v1/sentiment", "Bearer secret")
    count = 0
    async for message in socket:
        piece = json.loads(message)
        assert piece["language"] == "en"
        count += len(piece["text"])
        await socket.send(json.dumps({**POSITIVE, "num_characters": count}))


def test_every_piece_is_answered() -> None:
    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment("en") as text:
            assert (await text.add("The boat")).num_characters == 8
            assert (await text.add(" is 배.")).num_characters == 14
            with pytest.raises(InvalidInput, match="Unicode"):
                await text.add("\ud800")
            assert (await text.add("!")).num_characters == 15

    _against(_counting, scenario)


def test_an_error_ends_the_text() -> None:
    async def broke(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"error": {"code": "engine_failed", "message": "broke", "field": null}}')

    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment() as text:
            with pytest.raises(EngineFailed, match="broke"):
                await text.add("The boat")
            with pytest.raises(ConnectionFailed):
                await text.add("The boat")

    _against(broke, scenario)


def test_who_is_not_let_in_learns_why() -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        body = '{"error": {"code": "invalid_key", "message": "no such key", "field": null}}'
        return socket.respond(HTTPStatus.UNAUTHORIZED, body)

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(NotAuthenticated, match="no such key"):
            async with client.growing_sentiment():
                pass

    _against(_counting, scenario, refuse)


def test_without_a_server_there_is_no_text() -> None:
    async def scenario() -> None:
        async with AsyncClient("http://127.0.0.1:1") as client:
            with pytest.raises(ConnectionFailed, match=r"ws://127\.0\.0\.1:1/v1/sentiment"):
                async with client.growing_sentiment():
                    pass

    asyncio.run(scenario())


async def _slowly(socket: ServerConnection) -> None:
    """Answers after the number of milliseconds that a piece is, with that number."""
    async for message in socket:
        milliseconds = int(json.loads(message)["text"])
        await asyncio.sleep(milliseconds / 1000)
        await socket.send(json.dumps({**POSITIVE, "num_characters": milliseconds}))


def test_after_a_piece_that_was_given_up_none_gets_its_answer() -> None:
    """Every later piece was given the answer to the one before."""

    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment() as text:
            assert (await text.add("1")).num_characters == 1
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await text.add("60")
            await asyncio.sleep(0.1)
            with pytest.raises(ConnectionFailed, match="the text has ended"):
                await text.add("2")

    _against(_slowly, scenario)


def test_pieces_that_are_added_at_once_go_one_after_another() -> None:
    """They got each other's answers."""

    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment() as text:
            adding = [asyncio.create_task(text.add(piece)) for piece in ("30", "20", "10", "5")]
            await asyncio.sleep(0)
            adding[2].cancel()  # it has not been sent, so the text goes on
            answers = [await adding[number] for number in (0, 1, 3)]
            assert [answer.num_characters for answer in answers] == [30, 20, 5]

    _against(_slowly, scenario)


def test_the_clients_priority_and_time_hold_for_its_pieces() -> None:
    """They were ignored."""
    seen: list[dict[str, str]] = []

    async def told(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append({name.lower(): value for name, value in socket.request.headers.raw_items()})

    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment():
            pass

    _against(told, scenario, priority="batch", timeout_s=2.5)
    (headers,) = seen
    assert (headers["x-priority"], headers["x-request-timeout-ms"]) == ("batch", "2500")
    assert headers["user-agent"].startswith("rondo-client/")


def test_a_server_that_is_silent_is_not_waited_for_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rondo_services.client.connection._MARGIN_S", 0.05)

    async def scenario(client: AsyncClient) -> None:
        async with client.growing_sentiment() as text:
            with pytest.raises(TimedOut, match=r"within 0\.06 s"):
                await text.add("1000")
            with pytest.raises(ConnectionFailed, match="the text has ended"):
                await text.add("1")

    _against(_slowly, scenario, timeout_s=0.01)
