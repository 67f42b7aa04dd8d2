"""The way from a job's input to its items: open, decompress, cut into records."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from ...errors import InvalidInput
from ..items import BadItem, Item
from ..spec import JobInput
from .decompression import MOST_TIMES, BrokenData, is_too_much, unpacked_blocks
from .endings import Format, format_of, name_of, packing_of
from .jsonl import json_items, raw_items, text_items
from .lines import lines_of
from .named import PREFIX, named_items
from .parquet import parquet_items
from .sources import STANDARD, opened
from .tables import table_items

_BLOCK = 1 << 16


def open_input(
    spec: JobInput,
    *,
    root: Path | None = None,
    stream: BinaryIO | None = None,
    open_file: Callable[[str], BinaryIO] | None = None,
) -> Iterator[Item | BadItem]:
    """Every record of an input as it is read, in bounded memory: those that can be answered, and those that can't.

    A blank line of JSONL, CSV, TSV or plain text is no record, but is counted as a line. If the column of texts is
    "text" and there is none, the only one of "source", "prompt" and "document" is taken. The expected column may hold
    a string, a list of strings, or a number or boolean, which becomes its JSON text.

    Args:
        root: folder of the named data sets; only they need it.
        stream: standard input, for the source `-`; it stays open.
        open_file: opens a source, in place of fsspec.

    Raises:
        InvalidInput: nothing can be read, at once; or while it is read: the data are damaged or break off. All
            records before that place were handed out.
        OSError: the reading fails on the way, not for the input's sake.
    """
    if spec.source.startswith(PREFIX):
        return islice(named_items(spec, root), spec.limit or None)
    kind = format_of(spec)
    if spec.direction == "backward":
        raise InvalidInput(f"{name_of(spec)}: only named data sets have a direction", field="input.direction")
    if kind == "text":
        _check_no_columns(spec)
    with ExitStack() as resources:
        file = _open(spec, stream, open_file, resources)
        items = _items(spec, kind, file, resources)
        return islice(_closing(items, resources.pop_all()), spec.limit or None)


def open_lines(
    spec: JobInput,
    *,
    stream: BinaryIO | None = None,
    open_file: Callable[[str], BinaryIO] | None = None,
) -> Iterator[Item | BadItem]:
    """Every line that is not blank as it is, whatever the format; bad are those that are no UTF-8, or too long.

    Arguments and errors are those of `open_input`.
    """
    with ExitStack() as resources:
        file = _open(spec, stream, open_file, resources)
        items = raw_items(lines_of(_blocks(spec, _read(file)), name_of(spec)))
        return islice(_closing(items, resources.pop_all()), spec.limit or None)


def _check_no_columns(spec: JobInput) -> None:
    for field, is_told in (("text", spec.text != "text"), ("expected", spec.expected), ("id", spec.id)):
        if is_told:
            message = f"{name_of(spec)}: plain text has no columns; leave {field} out, or tell another format"
            raise InvalidInput(message, field=f"input.{field}")


def _open(
    spec: JobInput, stream: BinaryIO | None, open_file: Callable[[str], BinaryIO] | None, resources: ExitStack
) -> BinaryIO:
    if spec.source != STANDARD:
        return resources.enter_context(opened(spec.source, open_file))
    if stream is None:
        raise InvalidInput("there is no standard input here; name a file", field="input.source")
    return stream


def _items(spec: JobInput, kind: Format, file: BinaryIO, resources: ExitStack) -> Iterator[Item | BadItem]:
    if kind == "parquet":
        return parquet_items(_from_anywhere(spec, file, resources), spec)
    lines = lines_of(_blocks(spec, _read(file)), name_of(spec))
    match kind:
        case "jsonl":
            return json_items(lines, spec)
        case "csv":
            return table_items(lines, ",", spec)
        case "tsv":
            return table_items(lines, "\t", spec)
        case "text":
            return text_items(lines)


def _read(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _blocks(spec: JobInput, read: Iterator[bytes]) -> Iterator[bytes]:
    """The decompressed content; the first block is there, so it is known that there is one."""
    try:
        blocks = _within_limits(read, spec)
        return chain((next(blocks, b""),), blocks)
    except BrokenData as error:
        raise InvalidInput(f"{name_of(spec)}: {error}", field="input.source") from error


def _within_limits(read: Iterator[bytes], spec: JobInput) -> Iterator[bytes]:
    """The decompressed blocks that hold something; raises `BrokenData` also where they are far too many."""
    num_packed = num_unpacked = 0

    def counted() -> Iterator[bytes]:
        nonlocal num_packed
        for block in read:
            num_packed += len(block)
            yield block

    for block in unpacked_blocks(counted(), packing_of(spec), by_content=spec.compression == "auto"):
        num_unpacked += len(block)
        if is_too_much(num_unpacked, num_packed):
            raise BrokenData(f"it unpacks to more than {MOST_TIMES} times its size; unpack it yourself")
        if block:
            yield block


def _from_anywhere(spec: JobInput, file: BinaryIO, resources: ExitStack) -> BinaryIO:
    """A file whose end can be read first: `file`, or what is in it, on disk."""
    if packing_of(spec) is None and file.seekable():
        return file
    try:
        return resources.enter_context(_on_disk(spec, file))
    except BrokenData as error:
        raise InvalidInput(f"{name_of(spec)}: {error}", field="input.source") from error


@contextmanager
def _on_disk(spec: JobInput, file: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        for block in _blocks(spec, _read(file)):
            copy.write(block)
        copy.seek(0)
        yield copy


def _closing(items: Iterator[Item | BadItem], resources: ExitStack) -> Iterator[Item | BadItem]:
    with resources:
        yield from items
