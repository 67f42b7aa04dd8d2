"""What each operation of the server asks and answers, and how a long list becomes several requests. Sends nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import InvalidInput, RondoError
from ..generation.schema import GeneratePiece, GenerateReply
from ..schema import LONGEST_TEXT, MOST_TEXTS, Schema
from ..sentiment.schema import SentimentReply
from ..summarization.schema import SummarizeReply
from ..translation.schema import TranslateReply
from .errors import ConnectionFailed, ServerError, error_of
from .event_lines import EventLines

_MOST_CHARACTERS = 20_000
"""Of the texts of one request together: as much as a server reads at once, and far from what it refuses."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of those that a list became; `first` is the number of its first text in the list."""

    body: Mapping[str, Any]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """What is posted where.

    Attributes:
        texts: the field with the texts.
        reply: what is answered.
    """

    path: str
    texts: str
    reply: type[BaseModel]

    def body(self, given: Schema | str | Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
        """The request as JSON; only what was given, so that the server's defaults hold.

        Raises:
            TypeError: options beside a whole request.
        """
        if isinstance(given, Schema):
            if options:
                raise TypeError(f"{', '.join(options)}: set this in the {type(given).__name__}")
            return given.model_dump(mode="json", exclude_unset=True, exclude={"stream"})
        return {self.texts: given if isinstance(given, str) else list(given), **options}

    def parts(self, body: dict[str, Any]) -> list[Part]:
        """Requests that the server takes, with the texts in their order.

        Prompts get the random numbers that they would get in one request.

        Raises:
            InvalidInput: a text that is too long for any.
        """
        given = body[self.texts]
        texts = [given] if isinstance(given, str) else given
        for number, text in enumerate(texts):
            if isinstance(text, str) and len(text) > LONGEST_TEXT:
                field = self.texts if isinstance(given, str) else f"{self.texts}.{number}"
                raise InvalidInput(f"{field}: {len(text)} characters; at most {LONGEST_TEXT}", field=field)
        if isinstance(given, str) or not texts:
            return [Part(body)]
        return [self._part(Part(body), begin, end) for begin, end in _runs(texts)]

    def halves(self, part: Part, error: RondoError) -> list[Part]:
        """Two requests instead of one that was refused for all of its texts; none if that can't help.

        One text of theirs may be too long, or they are too much together: sentences and tokens count only there.
        """
        texts = part.body[self.texts]
        if not isinstance(error, InvalidInput) or error.field != self.texts or isinstance(texts, str) or len(texts) < 2:
            return []
        middle = len(texts) // 2
        return [self._part(part, 0, middle), self._part(part, middle, len(texts))]

    def located(self, error: RondoError, part: Part) -> RondoError:
        """`error` with the text's number in the whole list."""
        texts = part.body[self.texts]
        name, _, number = (error.field or "").partition(".")
        if name != self.texts or isinstance(texts, str) or not (number.isdigit() or len(texts) == 1):
            return error
        own = f"{name}.{int(number or 0) + part.first}"
        error.message = error.message.replace(error.field or name, own, 1)
        error.field = own
        error.args = (error.message,)
        return error

    def _part(self, part: Part, begin: int, end: int) -> Part:
        """Some texts of a part, as a part of its own."""
        own = {**part.body, self.texts: part.body[self.texts][begin:end]}
        if isinstance(seed := own.get("seed"), int):
            own["seed"] = seed + begin
        return Part(own, part.first + begin)

    def read(self, content: bytes) -> Any:
        """A reply.

        Raises:
            ServerError: it is none of this operation.
        """
        return parsed(self.reply, content)

    def joined(self, replies: Sequence[Any]) -> Any:
        """The replies to all parts as one."""
        first, *others = replies
        if not others:
            return first
        return first.model_copy(update={"results": [result for reply in replies for result in reply.results]})


SENTIMENT = Operation("/v1/sentiment", "text", SentimentReply)
TRANSLATE = Operation("/v1/translate", "text", TranslateReply)
SUMMARIZE = Operation("/v1/summarize", "text", SummarizeReply)
GENERATE = Operation("/v1/generate", "prompt", GenerateReply)


def answer_to(given: Any, reply: Any) -> Any:
    """What the caller gets: the reply to a request, the result of a text, the results of a list."""
    if isinstance(given, Schema):
        return reply
    return reply.results[0] if isinstance(given, str) else reply.results


def parsed(model: type[BaseModel], content: bytes | str) -> Any:
    """`content` as a `model`, whatever a newer server says besides.

    Raises:
        ServerError: it is something else.
    """
    try:
        return model.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        body = content if isinstance(content, str) else content.decode(errors="replace")
        message = f"the reply is no {model.__name__}; does a Rondo server answer there?"
        raise ServerError(message, status=200, body=body) from error


class Events:
    """Reads a stream of server-sent events, in whatever portions its bytes come."""

    def __init__(self) -> None:
        self._lines = EventLines()
        self._ended = False

    def pieces(self, content: bytes) -> Iterator[GeneratePiece]:
        """What more bytes bring.

        Raises:
            RondoError: the one that the server ended the stream with.
        """
        for name, data in self._lines.fields(content):
            if name != b"data":
                continue
            if data == b"[DONE]":
                self._ended = True
            elif data.startswith(b'{"error"'):
                raise error_of(data)
            else:
                yield parsed(GeneratePiece, data)

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            ConnectionFailed: it should have.
        """
        if not self._ended:
            raise ConnectionFailed("the stream broke off")


def _runs(texts: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Numbers of the first text and of the one after the last, for each request."""
    begin = characters = 0
    for number, text in enumerate(texts):
        length = len(text) if isinstance(text, str) else 0
        if number > begin and (number - begin == MOST_TEXTS or characters + length > _MOST_CHARACTERS):
            yield begin, number
            begin, characters = number, 0
        characters += length
    yield begin, len(texts)
