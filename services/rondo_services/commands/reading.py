"""Texts from arguments, files and standard input, and which of them to answer together. Knows no service."""

import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..errors import InvalidInput

T = TypeVar("T")
STANDARD = Path("-")
_PAUSE_S = 0.05
_TURN_S = 0.5
"""Python does not see a signal that comes right before a wait without end, or on another thread, until that ends."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and where it is from.

    Attributes:
        is_line: it is a line of a file or pipe.
    """

    content: str
    where: str
    is_line: bool = False

    @property
    def is_empty_line(self) -> bool:
        """Whether it only keeps others apart."""
        return self.is_line and not self.content.strip()


def texts_of(arguments: Sequence[str], files: Sequence[Path], *, whole: bool) -> Iterator[Text]:
    """The texts in their order: the arguments, else what is in the files ("-" is standard input), else in that.

    Args:
        whole: a file is one text; otherwise each of its lines is.

    Raises:
        InvalidInput: arguments and files, a file that can't be read, or (while they are read) one not in UTF-8.
    """
    if arguments and files:
        raise InvalidInput("give texts, or files (--input before each), not both")
    for path in files:
        if path != STANDARD and (path.is_dir() or not path.exists()):
            raise InvalidInput(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    if arguments:
        return iter([_argument(argument, f"argument {number}") for number, argument in enumerate(arguments, 1)])
    return _of_files(files or [STANDARD], whole)


def _argument(argument: str, where: str) -> Text:
    """As the user typed it: bytes that are no text come in disguise (PEP 383)."""
    return Text(_decoded(os.fsencode(argument), where), where)


def _of_files(files: Iterable[Path], whole: bool) -> Iterator[Text]:
    for path in files:
        name = "standard input" if path == STANDARD else str(path)
        try:
            with nullcontext(_standard_input()) if path == STANDARD else path.open("rb") as stream:
                if whole:
                    yield Text(_decoded(stream.read().removeprefix(b"\xef\xbb\xbf"), name), name)
                    continue
                for number, line in enumerate(stream, 1):
                    content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                    where = f"{name}, line {number}"
                    yield Text(_decoded(content, where).rstrip("\r\n"), where, is_line=True)
        except OSError as error:
            raise InvalidInput(f"{name}: {error.strerror}") from error


def _standard_input() -> BinaryIO:
    """A reader of its own: Python can't end while a thread waits within `sys.stdin`."""
    return open(sys.stdin.fileno(), "rb", closefd=False)


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        at = where if "\n" not in content[: error.start].decode(errors="replace") else f"{where}, line {line}"
        raise InvalidInput(f"{at}: byte 0x{content[error.start]:02x} is not UTF-8") from error


def together(items: Iterable[T], most: int, pause_s: float = _PAUSE_S) -> Iterator[list[T]]:
    """Lists of at most so many `items`, which are read on a thread; a list ends too when they pause.

    What comes before an error of `items` is handed out before the error is raised.
    """
    arrivals: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(4 * most)

    def read() -> None:
        try:
            for item in items:
                arrivals.put((item,))
            arrivals.put(None)
        except BaseException as error:
            arrivals.put(error)

    threading.Thread(target=read, name="rondo-reader", daemon=True).start()
    while True:
        arrival = _waited_for(arrivals)
        chunk: list[T] = []
        while isinstance(arrival, tuple):
            chunk += arrival
            if len(chunk) == most:
                break
            try:
                arrival = arrivals.get(timeout=pause_s)
            except queue.Empty:
                break
        if chunk:
            yield chunk
        if arrival is None:
            return
        if isinstance(arrival, BaseException):
            raise arrival


def _waited_for(arrivals: queue.Queue[T]) -> T:
    """What arrives next, waited for in turns, so that an interrupt is seen at the latest after one."""
    while True:
        with suppress(queue.Empty):
            return arrivals.get(timeout=_TURN_S)
