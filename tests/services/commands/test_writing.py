"""Where answers go."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from rondo_services.commands.writing import Output, output_to
from rondo_services.errors import InvalidInput


class _Slow(io.BytesIO):
    """Takes three bytes at a time, as an unbuffered stream may."""

    def write(self, content: Any) -> int:
        return super().write(memoryview(content)[:3])


def test_all_is_written_whatever_the_stream_takes_at_a_time() -> None:
    """What an unbuffered stream left over was lost."""
    stream = _Slow()
    output = Output(stream, Progress(disable=True))
    output.line("배가 천천히 간다.")
    output.line("ended\n")
    output.write("")
    assert stream.getvalue().decode() == "배가 천천히 간다.\nended\n"


def test_what_can_not_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Is a directory"), output_to(tmp_path, []):
        pass
    with pytest.raises(InvalidInput, match="No such file"), output_to(tmp_path / "none" / "file", []):
        pass
    path = tmp_path / "file"
    path.write_text("text")
    with pytest.raises(InvalidInput, match="is also read"), output_to(path, [tmp_path / ".." / tmp_path.name / "file"]):
        pass
    assert path.read_text() == "text"
