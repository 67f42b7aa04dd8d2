"""A growing text's side of the WebSocket, against a server that answers as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from rondo_services.client import AsyncClient, ConnectionFailed
from rondo_services.errors import EngineFailed, InvalidInput, NotAuthenticated

POSITIVE = {"label": "positive", "score": 0.9, "scores": {"positive": 0.9}, "language": "en"}


def _against(
    answer: Callable[[ServerConnection], Awaitable[None]],
    scenario: Callable[[AsyncClient], Awaitable[None]],
    refuse: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> None:
    async def run() -> None:
        async with serve(answer, "127.0.0.1", 0, process_request=refuse) as server:
            port = server.sockets[0].getsockname()[1]
            async with AsyncClient(f"http://127.0.0.1:{port}", api_key="secret") as client:
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
