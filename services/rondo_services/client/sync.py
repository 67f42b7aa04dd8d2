"""The client for code that waits for its answers."""

import time
from collections.abc import Generator, Mapping
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
from .operations import GENERATE, SENTIMENT, SUMMARIZE, TRANSLATE, Events, Operation, Part, answer_to, parsed
from .options import GenerateOptions, SentimentOptions, SummarizeOptions, TranslateOptions


class Client:
    """Asks a Rondo server; close it, or use it in a `with` statement. Threads may share one.

    A text gives its result, a list the list of results, in its order, through several requests if it is long; a
    request model gives the reply model, and has every option that the service knows.

    Every method raises the `RondoError` that the reply tells of, ServerError for any other, and ConnectionFailed.

    Args:
        base_url, api_key, priority, timeout_s, retries: as `Connection` explains them.
        transport: that of httpx to send through, instead of the network.

    Raises:
        InvalidInput: one of the arguments, or of the variables for proxies and certificates, can't be.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        api_key: str = "",
        priority: Priority | None = None,
        timeout_s: float | None = None,
        retries: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection(base_url, api_key, priority, timeout_s, retries)
        with usable_variables():
            self._http = httpx.Client(
                base_url=self._connection.base_url,
                headers=self._connection.headers(),
                timeout=self._connection.timeout(),
                transport=transport,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @overload
    def sentiment(self, text: SentimentRequest) -> SentimentReply: ...
    @overload
    def sentiment(self, text: str, **options: Unpack[SentimentOptions]) -> SentimentResult: ...
    @overload
    def sentiment(self, text: list[str], **options: Unpack[SentimentOptions]) -> list[SentimentResult]: ...
    def sentiment(self, text: Any, **options: Any) -> Any:
        """Say whether texts are positive or negative."""
        return self._ask(SENTIMENT, text, options)

    @overload
    def translate(self, text: TranslateRequest) -> TranslateReply: ...
    @overload
    def translate(self, text: str, **options: Unpack[TranslateOptions]) -> TranslationResult: ...
    @overload
    def translate(self, text: list[str], **options: Unpack[TranslateOptions]) -> list[TranslationResult]: ...
    def translate(self, text: Any, **options: Any) -> Any:
        """Translate texts."""
        return self._ask(TRANSLATE, text, options)

    @overload
    def summarize(self, text: SummarizeRequest) -> SummarizeReply: ...
    @overload
    def summarize(self, text: str, **options: Unpack[SummarizeOptions]) -> SummaryResult: ...
    @overload
    def summarize(self, text: list[str], **options: Unpack[SummarizeOptions]) -> list[SummaryResult]: ...
    def summarize(self, text: Any, **options: Any) -> Any:
        """Say in a few words what texts are about."""
        return self._ask(SUMMARIZE, text, options)

    @overload
    def generate(self, prompt: GenerateRequest) -> GenerateReply: ...
    @overload
    def generate(self, prompt: str, **options: Unpack[GenerateOptions]) -> GenerationResult: ...
    @overload
    def generate(self, prompt: list[str], **options: Unpack[GenerateOptions]) -> list[GenerationResult]: ...
    def generate(self, prompt: Any, **options: Any) -> Any:
        """Go on from prompts."""
        return self._ask(GENERATE, prompt, options)

    def generate_stream(
        self, prompt: str | list[str] | GenerateRequest, **options: Unpack[GenerateOptions]
    ) -> Generator[GeneratePiece, None, None]:
        """Go on from prompts, piece by piece as it is written; closing the generator ends the writing.

        The last piece of each prompt has the reason why it ended and the usage.
        """
        body = {**GENERATE.body(prompt, options), "stream": True}
        reply = self._send("POST", GENERATE.path, encoded(body))
        events = Events()
        try:
            for content in reply.iter_bytes():
                yield from events.pieces(content)
            events.end()
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            reply.close()

    def models(self) -> ModelList:
        """The services of the bundle."""
        models: ModelList = parsed(ModelList, self._content("GET", "/v1/models"))
        return models

    def live(self) -> Health:
        """Whether the server's process answers."""
        health: Health = parsed(Health, self._content("GET", "/health/live"))
        return health

    def ready(self) -> Health:
        """Whether requests will be answered; if not, raises ServerError with status 503."""
        health: Health = parsed(Health, self._content("GET", "/health/ready"))
        return health

    def _ask(self, operation: Operation, given: Any, options: Mapping[str, Any]) -> Any:
        parts = operation.parts(operation.body(given, options))
        return answer_to(given, operation.joined([self._answer(operation, part) for part in parts]))

    def _answer(self, operation: Operation, part: Part) -> Any:
        try:
            return operation.read(self._content("POST", operation.path, encoded(part.body)))
        except RondoError as error:
            halves = operation.halves(part, error)
            if not halves:
                raise operation.located(error, part) from error.__cause__
        return operation.joined([self._answer(operation, half) for half in halves])

    def _content(self, method: str, path: str, body: bytes | None = None, *, repeatable: bool = True) -> bytes:
        reply = self._send(method, path, body, repeatable=repeatable)
        try:
            return reply.read()
        except httpx.RequestError as error:
            raise broken(error) from error
        finally:
            reply.close()

    def _send(self, method: str, path: str, body: bytes | None, *, repeatable: bool = True) -> httpx.Response:
        """A reply that is a success, and has not been read; tried again where that makes sense.

        Args:
            repeatable: whether it does no harm twice; if not, it is sent again only after a refusal.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        attempt = 0
        while True:
            request = self._http.build_request(method, path, content=body, headers=headers)
            try:
                reply = self._http.send(request, stream=True)
            except httpx.TransportError as error:
                pause_s = self._connection.pause_after_failure(error, attempt) if repeatable else None
                if pause_s is None:
                    raise broken(error) from error
            else:
                if reply.is_success:
                    return reply
                pause_s = self._connection.pause_after_refusal(reply.status_code, reply.headers, attempt)
                refusal = self._refusal(reply)
                if pause_s is None:
                    raise refusal
            time.sleep(pause_s)
            attempt += 1

    @staticmethod
    def _refusal(reply: httpx.Response) -> RondoError:
        try:
            return error_of(reply.read(), reply.status_code, reply.headers)
        except httpx.RequestError as error:
            return broken(error)
        finally:
            reply.close()
