"""The client for code on an asyncio event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, Unpack, overload

import httpx

from ..engine.requests import Priority
from ..errors import RondoError
from ..generation.schema import GeneratePiece, GenerateReply, GenerateRequest, GenerationResult
from ..sentiment.schema import SentimentReply, SentimentRequest, SentimentResult
from ..server.schema import Health, ModelList
from ..summarization.schema import SummarizeReply, SummarizeRequest, SummaryResult
from ..translation.schema import TranslateReply, TranslateRequest, TranslationResult
from .connection import Connection, encoded, usable_variables
from .errors import broken, error_of
from .growing import GrowingSentiment, open_socket
from .operations import GENERATE, SENTIMENT, SUMMARIZE, TRANSLATE, Events, Operation, Part, answer_to, parsed
from .options import AnyLanguage, GenerateOptions, SentimentOptions, SummarizeOptions, TranslateOptions

_AT_ONCE = 4


class AsyncClient:
    """As `Client`; the parts of a long list are asked for a few at a time.

    Args:
        transport: as that of `Client`; the WebSocket of `growing_sentiment` does not go through it.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        api_key: str = "",
        priority: Priority | None = None,
        timeout_s: float | None = None,
        retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(base_url, api_key, priority, timeout_s, retries)
        with usable_variables():
            self._http = httpx.AsyncClient(
                base_url=self._connection.base_url,
                headers=self._connection.headers(),
                timeout=self._connection.timeout(),
                transport=transport,
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @overload
    async def sentiment(self, text: SentimentRequest) -> SentimentReply: ...
    @overload
    async def sentiment(self, text: str, **options: Unpack[SentimentOptions]) -> SentimentResult: ...
    @overload
    async def sentiment(self, text: list[str], **options: Unpack[SentimentOptions]) -> list[SentimentResult]: ...
    async def sentiment(self, text: Any, **options: Any) -> Any:
        """Say whether texts are positive or negative."""
        return await self._ask(SENTIMENT, text, options)

    @overload
    async def translate(self, text: TranslateRequest) -> TranslateReply: ...
    @overload
    async def translate(self, text: str, **options: Unpack[TranslateOptions]) -> TranslationResult: ...
    @overload
    async def translate(self, text: list[str], **options: Unpack[TranslateOptions]) -> list[TranslationResult]: ...
    async def translate(self, text: Any, **options: Any) -> Any:
        """Translate texts."""
        return await self._ask(TRANSLATE, text, options)

    @overload
    async def summarize(self, text: SummarizeRequest) -> SummarizeReply: ...
    @overload
    async def summarize(self, text: str, **options: Unpack[SummarizeOptions]) -> SummaryResult: ...
    @overload
    async def summarize(self, text: list[str], **options: Unpack[SummarizeOptions]) -> list[SummaryResult]: ...
    async def summarize(self, text: Any, **options: Any) -> Any:
        """Say in a few words what texts are about."""
        return await self._ask(SUMMARIZE, text, options)

    @overload
    async def generate(self, prompt: GenerateRequest) -> GenerateReply: ...
    @overload
    async def generate(self, prompt: str, **options: Unpack[GenerateOptions]) -> GenerationResult: ...
    @overload
    async def generate(self, prompt: list[str], **options: Unpack[GenerateOptions]) -> list[GenerationResult]: ...
    async def generate(self, prompt: Any, **options: Any) -> Any:
        """Go on from prompts."""
        return await self._ask(GENERATE, prompt, options)

    async def generate_stream(
        self, prompt: str | list[str] | GenerateRequest, **options: Unpack[GenerateOptions]
    ) -> AsyncGenerator[GeneratePiece, None]:
        """As `Client.generate_stream`."""
        body = {**GENERATE.body(prompt, options), "stream": True}
        reply = await self._send("POST", GENERATE.path, encoded(body))
        events = Events()
        try:
            async for content in reply.aiter_bytes():
                for piece in events.pieces(content):
                    yield piece
            events.end()
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            await reply.aclose()

    @asynccontextmanager
    async def growing_sentiment(self, language: AnyLanguage = "auto") -> AsyncIterator[GrowingSentiment]:
        """A text that grows piece by piece, scored after each; `priority` and `timeout_s` hold for each piece.

        Args:
            language: of the text.
        """
        async with open_socket(self._connection) as socket:
            yield GrowingSentiment(socket, language, self._connection.silence_s)

    async def models(self) -> ModelList:
        """The services of the bundle."""
        models: ModelList = parsed(ModelList, await self._content("GET", "/v1/models"))
        return models

    async def live(self) -> Health:
        """Whether the server's process answers."""
        health: Health = parsed(Health, await self._content("GET", "/health/live"))
        return health

    async def ready(self) -> Health:
        """Whether requests will be answered; if not, raises ServerError with status 503."""
        health: Health = parsed(Health, await self._content("GET", "/health/ready"))
        return health

    async def _ask(self, operation: Operation, given: Any, options: Mapping[str, Any]) -> Any:
        parts = operation.parts(operation.body(given, options))
        places = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._answer(operation, part, places)) for part in parts]
        except ExceptionGroup as failed:  # the others were cancelled
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        return answer_to(given, operation.joined([task.result() for task in tasks]))

    async def _answer(self, operation: Operation, part: Part, places: asyncio.Semaphore) -> Any:
        try:
            async with places:
                return operation.read(await self._content("POST", operation.path, encoded(part.body)))
        except RondoError as error:
            halves = operation.halves(part, error)
            if not halves:
                raise operation.located(error, part) from error.__cause__
        return operation.joined([await self._answer(operation, half, places) for half in halves])

    async def _content(self, method: str, path: str, body: bytes | None = None) -> bytes:
        reply = await self._send(method, path, body)
        try:
            return await reply.aread()
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            await reply.aclose()

    async def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        """As that of `Client`."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        attempt = 0
        while True:
            request = self._http.build_request(method, path, content=body, headers=headers)
            try:
                reply = await self._http.send(request, stream=True)
            except httpx.TransportError as error:
                pause_s = self._connection.pause_after_failure(error, attempt)
                if pause_s is None:
                    raise broken(error) from error
            else:
                if reply.is_success:
                    return reply
                pause_s = self._connection.pause_after_refusal(reply.status_code, reply.headers, attempt)
                refusal = await self._refusal(reply)
                if pause_s is None:
                    raise refusal
            await asyncio.sleep(pause_s)
            attempt += 1

    @staticmethod
    async def _refusal(reply: httpx.Response) -> RondoError:
        try:
            return error_of(await reply.aread(), reply.status_code, reply.headers)
        except httpx.RequestError as error:
            return broken(error)
        finally:
            await reply.aclose()
