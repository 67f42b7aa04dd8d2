"""Sentiment of a text that comes piece by piece, over a WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ..sentiment.schema import SentimentSoFar
from .connection import Connection, encoded
from .errors import ConnectionFailed, error_of
from .operations import SENTIMENT, parsed
from .options import AnyLanguage


@asynccontextmanager
async def open_socket(connection: Connection) -> AsyncIterator[ClientConnection]:
    """A WebSocket to the server's sentiment.

    Raises:
        RondoError: the server refused it.
        ConnectionFailed: there is none.
    """
    address = connection.websocket_url + SENTIMENT.path
    try:
        socket = await connect(address, additional_headers=connection.authorization())
    except InvalidStatus as error:
        reply = error.response
        headers = {name.lower(): value for name, value in reply.headers.raw_items()}
        raise error_of(bytes(reply.body or b""), reply.status_code, headers) from error
    except (OSError, WebSocketException) as error:
        raise ConnectionFailed(f"{address}: {error}") from error
    async with socket:
        yield socket


class GrowingSentiment:
    """A text at the server, of which nothing has come yet; made by `AsyncClient.growing_sentiment`."""

    def __init__(self, socket: ClientConnection, language: AnyLanguage) -> None:
        self._socket = socket
        self._language = language

    async def add(self, piece: str) -> SentimentSoFar:
        """The classification of all that has come, with `piece` joined to it as it is.

        Raises:
            InvalidInput: no Unicode text.
            RondoError: the one that ended the text.
            ConnectionFailed: the connection broke, or the text had ended before.
        """
        message = encoded({"text": piece, "language": self._language}).decode()
        try:
            await self._socket.send(message)
            answer = await self._socket.recv(decode=False)
        except (OSError, WebSocketException) as error:
            raise ConnectionFailed(str(error)) from error
        if answer.startswith(b'{"error"'):
            raise error_of(answer)
        so_far: SentimentSoFar = parsed(SentimentSoFar, answer)
        return so_far
