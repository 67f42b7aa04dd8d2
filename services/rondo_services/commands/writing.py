"""Where answers go: standard output or a file, as text or JSON, at once; and the progress, where it can be seen."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import InvalidInput


class Output:
    """Writes UTF-8, whatever the terminal's encoding, and counts the texts that are done."""

    def __init__(self, stream: BinaryIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._task = progress.add_task("texts", total=None)

    def write(self, text: str) -> None:
        """Write what there is, so that it can be read at once."""
        rest = memoryview(text.encode())
        while rest:  # unbuffered (PYTHONUNBUFFERED), a stream may take a part only
            rest = rest[self._stream.write(rest) :]
        self._stream.flush()

    def line(self, text: str) -> None:
        """Write a text and end its line, if it does not itself."""
        self.write(text if text.endswith("\n") else f"{text}\n")

    def done(self, count: int) -> None:
        """Count texts."""
        self._progress.advance(self._task, count)


@contextmanager
def output_to(path: Path | None, inputs: Sequence[Path]) -> Iterator[Output]:
    """Standard output, or a file that is written anew.

    Raises:
        InvalidInput: it can't be written, or is one of the inputs.
    """
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} {task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty() or (path is None and sys.stdout.isatty()),
    )
    if path is None:
        with progress:
            yield Output(sys.stdout.buffer, progress)
        return
    if path.exists() and any(own.exists() and own.samefile(path) for own in inputs):
        raise InvalidInput(f"{path} is also read; write to another file")
    try:
        stream = path.open("wb")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    with stream, progress:
        yield Output(stream, progress)
