"""Texts → a client → answers, in order and as they come. Knows no service."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from ..client import Client
from ..client.errors import ConnectionFailed, ServerError
from ..command_errors import errors_as_messages
from ..errors import InvalidInput, RondoError
from .reading import Text, texts_of, together
from .writing import Output, output_to

R = TypeVar("R", bound=BaseModel)
_MOST_TOGETHER = 128


@dataclass(frozen=True, slots=True)
class Request:
    """What all commands are told.

    Attributes:
        arguments, inputs, whole: as `texts_of` explains them.
        output: None is standard output.
        as_json: write each result as a JSON object on a line.
        server: empty: the bundle runs in this process.
    """

    arguments: Sequence[str]
    inputs: Sequence[Path]
    whole: bool
    output: Path | None
    as_json: bool
    server: str
    api_key: str
    bundle: Path | None


@dataclass(frozen=True, slots=True)
class Service(Generic[R]):
    """How one service is asked.

    Attributes:
        ask: the results of texts, of which the first has this number among all.
        plain: what is written of a result.
        stream: a single text's answer, piece by piece, if the service can.
    """

    name: str
    ask: Callable[[Client, list[str], int], list[R]]
    plain: Callable[[R], str]
    stream: Callable[[Client, str, int], Generator[str, None, None]] | None = None


def answer(request: Request, service: Service[R]) -> None:
    """Answer all texts; ends the process as `errors_as_messages` says."""
    with errors_as_messages(ServerError, ConnectionFailed):
        texts = texts_of(request.arguments, request.inputs, whole=request.whole)
        with _client(request, service.name) as client, output_to(request.output, request.inputs) as output:
            asked = 0
            for chunk in together(texts, _MOST_TOGETHER):
                for empty, group in groupby(chunk, lambda text: text.is_empty_line):
                    own = list(group)
                    if empty:
                        output.write("\n" * len(own))
                    else:
                        _answer_some(request, service, client, output, own, asked)
                        asked += len(own)
                output.done(len(chunk))


def _answer_some(
    request: Request, service: Service[R], client: Client, output: Output, texts: list[Text], first: int
) -> None:
    contents = [text.content for text in texts]
    if service.stream is not None and len(texts) == 1 and not request.as_json:
        with _located(texts), closing(service.stream(client, contents[0], first)) as pieces:
            for piece in pieces:
                output.write(_on_one_line(piece) if texts[0].is_line else piece)
        output.write("\n")
        return
    with _located(texts):
        results = service.ask(client, contents, first)
    for text, result in zip(texts, results, strict=True):
        if request.as_json:
            output.line(result.model_dump_json(exclude_none=True))
        else:
            plain = service.plain(result)
            output.line(_on_one_line(plain) if text.is_line else plain)


def _on_one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


@contextmanager
def _client(request: Request, service: str) -> Iterator[Client]:
    if request.server:
        if request.bundle is not None:
            raise InvalidInput("give a server (--server, RONDO_SERVER) or a bundle, not both")
        with Client(request.server, api_key=request.api_key) as client:
            yield client
        return
    from ..inprocess import local_client  # torch takes a second

    with local_client(request.bundle, [service]) as client:
        yield client


@contextmanager
def _located(texts: Sequence[Text]) -> Iterator[None]:
    """Say of an error which of the texts it is about, as far as it tells."""
    try:
        yield
    except RondoError as error:
        name, _, number = (error.field or "").partition(".")
        if name not in ("text", "prompt"):
            raise
        about = [texts[int(number)]] if number.isdigit() else texts
        where = about[0].where if len(about) == 1 else f"{about[0].where} to {about[-1].where}"
        error.args = (f"{where}: {error.message.removeprefix(f'{error.field}: ')}",)
        raise
