"""Sentiment of a text that comes piece by piece, over a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ..errors import TimedOut
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
        socket = await connect(address, additional_headers=connection.headers())
    except InvalidStatus as error:
        reply = error.response
        headers = {name.lower(): value for name, value in reply.headers.raw_items()}
        raise error_of(bytes(reply.body or b""), reply.status_code, headers) from error
    except (OSError, WebSocketException) as error:
        raise ConnectionFailed(f"{address}: {error}") from error
    async with socket:
        yield socket


class GrowingSentiment:
    """A text at the server, of which nothing has come yet; made by `AsyncClient.growing_sentiment`.

    Args:
        silence_s: how long an answer may be in coming.
    """

    def __init__(self, socket: ClientConnection, language: AnyLanguage, silence_s: float) -> None:
        self._socket = socket
        self._language = language
        self._silence_s = silence_s
        self._turn = asyncio.Lock()
        self._is_given_up = False

    async def add(self, piece: str) -> SentimentSoFar:
        """The classification of all that has come, with `piece` joined to it as it is.

        Pieces that are added at once go one after another. One that is cancelled, or not answered in time, ends the
        text: whether the server has it is not known.

        Raises:
            InvalidInput: no Unicode text.
            TimedOut: no answer came in time.
            RondoError: the one that ended the text.
            ConnectionFailed: the connection broke, or the text had ended before.
        """
        message = encoded({"text": piece, "language": self._language}).decode()
        async with self._turn:
            answer = await self._exchanged(message)
        if answer.startswith(b'{"error"'):
            raise error_of(answer)
        so_far: SentimentSoFar = parsed(SentimentSoFar, answer)
        return so_far

    async def _exchanged(self, message: str) -> bytes:
        """The answer to a message; without it there is none to any later one, which would be given this one's."""
        if self._is_given_up:
            raise ConnectionFailed("the text has ended: the answer to an earlier piece was not waited for")
        try:
            async with asyncio.timeout(self._silence_s):
                await self._socket.send(message)
                return await self._socket.recv(decode=False)
        except TimeoutError as error:  # before OSError, which it is one of
            self._give_up()
            raise TimedOut(f"no answer came within {self._silence_s:g} s") from error
        except (OSError, WebSocketException) as error:
            raise ConnectionFailed(str(error)) from error
        except BaseException:  # such as a cancellation
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Close the connection without a handshake, which whoever cancels would have to wait for."""
        self._is_given_up = True
        self._socket.transport.abort()
