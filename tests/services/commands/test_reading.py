"""Texts from arguments and files, and which of them are answered together."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rondo_services.commands.reading import Text, texts_of, together
from rondo_services.errors import InvalidInput

TIMEOUT_S = 30.0


def test_arguments_are_texts_as_they_are() -> None:
    texts = list(texts_of(["a\nb", ""], [], whole=False))
    assert texts == [Text("a\nb", "argument 1"), Text("", "argument 2")]
    assert not any(text.is_empty_line for text in texts)


def test_an_argument_that_is_no_text_is_refused_with_its_number() -> None:
    with pytest.raises(InvalidInput, match="argument 2: byte 0xff is not UTF-8"):
        list(texts_of(["a", "b\udcff"], [], whole=False))


def test_lines_of_files_are_texts(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"\xef\xbb\xbfa\r\n\r\nb\x0bc\xe2\x80\xa8d")
    two.write_bytes(b"e\n \n")
    texts = list(texts_of([], [one, two], whole=False))
    assert [text.content for text in texts] == ["a", "", "b\x0bc\u2028d", "e", " "]
    assert [text.where for text in texts] == [f"{one}, line {n}" for n in (1, 2, 3)] + [
        f"{two}, line {n}" for n in (1, 2)
    ]
    assert [text.is_empty_line for text in texts] == [False, True, False, False, True]


def test_a_file_can_be_one_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa\n\nb\n")
    assert list(texts_of([], [path], whole=True)) == [Text("a\n\nb\n", str(path))]


@pytest.mark.parametrize("whole", [True, False])
def test_bytes_that_are_no_text_are_refused_with_their_line(whole: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\nc \xff\n")
    with pytest.raises(InvalidInput) as caught:
        list(texts_of([], [path], whole=whole))
    assert str(caught.value) == f"{path}, line 3: byte 0xff is not UTF-8"


def test_files_are_looked_for_before_anything_is_answered(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        texts_of([], [tmp_path / "none"], whole=False)
    with pytest.raises(InvalidInput, match="is a folder"):
        texts_of([], [tmp_path], whole=False)
    with pytest.raises(InvalidInput, match="not both"):
        texts_of(["a"], [tmp_path / "none"], whole=False)


def test_items_are_handed_out_together_in_their_order() -> None:
    chunks = list(together(range(1000), 64))
    assert [item for chunk in chunks for item in chunk] == list(range(1000))
    assert max(map(len, chunks)) <= 64


def test_items_are_handed_out_when_no_more_come_for_now() -> None:
    answered = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        assert answered.wait(TIMEOUT_S)
        yield 2

    chunks = together(slow(), 64)
    assert next(chunks) == [1]
    answered.set()
    assert list(chunks) == [[2]]


def test_what_came_before_an_error_is_handed_out_first() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise InvalidInput("broken")

    chunks = together(broken(), 64)
    assert next(chunks) == [1]
    with pytest.raises(InvalidInput, match="broken"):
        next(chunks)


def test_nothing_gives_nothing() -> None:
    assert list(together([], 64)) == []


def test_an_interrupt_that_does_not_wake_the_wait_is_seen_before_the_next_text() -> None:
    waited, ended = threading.Event(), threading.Event()

    def late() -> Iterator[int]:
        time.sleep(0.2)  # until the wait has begun
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # on this thread, the waiting one sleeps on
        waited.wait(10.0)
        ended.set()
        yield 1

    with pytest.raises(KeyboardInterrupt):
        next(together(late(), 64))
    assert not ended.is_set()
    waited.set()
