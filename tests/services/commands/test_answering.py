"""What is written of what is asked, with a service that only pretends to."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from rondo_services.client import Client, ConnectionFailed
from rondo_services.commands.answering import Request, Service, answer
from rondo_services.errors import InvalidInput, Overloaded

NOWHERE = "http://127.0.0.1:1"


class _Result(BaseModel):
    text: str
    number: int
    warning: str | None = None


def _louder(client: Client, texts: list[str], first: int) -> list[_Result]:
    for number, text in enumerate(texts):
        if text == "wrong":
            raise InvalidInput(f"text.{number}: wrong", field=f"text.{number}")
    return [_Result(text=text.upper(), number=number) for number, text in enumerate(texts, first)]


LOUDER = Service("louder", _louder, lambda result: result.text)


def _request(*arguments: str, inputs: Any = (), **changed: Any) -> Request:
    given: dict[str, Any] = {"whole": False, "output": None, "as_json": False, "server": NOWHERE, "api_key": ""}
    return Request(arguments, inputs, **{**given, "bundle": None, **changed})


def _ended(request: Request, service: Service[Any] = LOUDER) -> int:
    with pytest.raises(typer.Exit) as ended:
        answer(request, service)
    return ended.value.exit_code


def test_every_text_has_its_line_and_empty_lines_stay(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n\n \nb\n배\n")
    answer(_request(inputs=[path]), LOUDER)
    assert capfdbinary.readouterr().out == "A\n\n\nB\n배\n".encode()
    answer(_request(inputs=[path], as_json=True), LOUDER)
    lines = capfdbinary.readouterr().out.decode().split("\n")
    assert [json.loads(line) if line else None for line in lines] == [
        {"text": "A", "number": 0},
        *(None, None),
        {"text": "B", "number": 1},
        {"text": "배", "number": 2},
        None,
    ]


def test_an_answer_to_a_line_is_a_line_and_one_to_a_text_is_as_it_is(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n")
    doubled = Service("doubled", _louder, lambda result: f"{result.text}\n{result.text}")
    answer(_request(inputs=[path]), doubled)
    answer(_request("a"), doubled)
    assert capfdbinary.readouterr().out == b"A A\nA\nA\n"


def test_texts_are_numbered_through_all_requests(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n" * 300)
    answer(_request(inputs=[path], as_json=True), LOUDER)
    assert [json.loads(line)["number"] for line in capfdbinary.readouterr().out.splitlines()] == list(range(300))


def test_a_single_text_is_streamed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def stream(client: Client, text: str, first: int) -> Generator[str, None, None]:
        yield text
        raise ConnectionFailed("broke off")

    assert _ended(_request("a"), Service("s", _louder, lambda result: result.text, stream)) == 1
    assert capfdbinary.readouterr() == (b"a", b"rondo: broke off\n")


def test_a_streamed_answer_to_a_line_is_a_line(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def stream(client: Client, text: str, first: int) -> Generator[str, None, None]:
        yield f"{text}\n"
        yield "b\nc"

    path = tmp_path / "texts"
    path.write_text("a\n")
    streaming = Service("s", _louder, lambda result: result.text, stream)
    answer(_request(inputs=[path]), streaming)
    answer(_request("a"), streaming)
    assert capfdbinary.readouterr().out == b"a b c\na\nb\nc\n"


def test_output_goes_to_a_file(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    answer(_request("a", output=tmp_path / "answers"), LOUDER)
    assert (tmp_path / "answers").read_bytes() == b"A\n"
    assert capfdbinary.readouterr() == (b"", b"")


def test_a_file_that_is_read_is_not_written(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n")
    assert _ended(_request(inputs=[path], output=path)) == 2
    assert path.read_text() == "a\n"
    assert b"is also read" in capfdbinary.readouterr().err
    assert _ended(_request("a", output=tmp_path / "none" / "answers")) == 2


def test_an_error_names_the_line_it_is_about(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n\nwrong\n")
    assert _ended(_request(inputs=[path])) == 2
    assert capfdbinary.readouterr().err.decode() == f"rondo: {path}, line 3: wrong\n"


def test_what_was_answered_before_an_error_is_written(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "texts"
    path.write_bytes(b"a\n\xff\nb\n")
    assert _ended(_request(inputs=[path])) == 2
    output, said = capfdbinary.readouterr()
    assert output == b"A\n"
    assert b"line 2: byte 0xff" in said


def test_failures_end_with_1(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def refuse(client: Client, texts: list[str], first: int) -> list[_Result]:
        raise Overloaded("the queue is full", retry_after_s=1)

    assert _ended(_request("a"), Service("s", refuse, lambda result: result.text)) == 1
    assert capfdbinary.readouterr() == (b"", b"rondo: the queue is full\n")


def test_a_server_and_a_bundle_are_too_much(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert _ended(_request("a", bundle=Path("bundle"))) == 2
    assert b"not both" in capfdbinary.readouterr().err
