"""Parquet → items, few rows at a time and only the columns that are needed. Needs the extra `parquet`."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from ...errors import InvalidInput
from ..items import BadItem, Item
from ..spec import JobInput
from .decompression import MOST_TIMES, is_too_much
from .endings import name_of
from .records import Columns, columns_of, item_of

_MOST_ROWS = 1024
_BATCH_BYTES = 1 << 22
_BUFFER_BYTES = 1 << 20
_SIZES = ("compressed", "uncompressed")


def parquet_items(file: BinaryIO, spec: JobInput) -> Iterator[Item | BadItem]:
    """The items of a file that can be read from anywhere; its schema is checked at once.

    Raises:
        InvalidInput: no Parquet file, a missing column, texts that are none; while it is read: damaged data. Or
            pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"{name_of(spec)}: Parquet needs pyarrow: pip install 'rondo-nlp[parquet]'"
        raise InvalidInput(message, field="input.format") from error
    try:
        table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInput(f"{name_of(spec)}: no Parquet file ({error})", field="input.source") from error
    schema = table.schema_arrow
    columns = columns_of(spec, schema.names)
    _check_size(table, columns, name_of(spec))
    if not _holds_text(schema.field(columns.text).type):
        message = f"{name_of(spec)}: the column {columns.text!r} holds {schema.field(columns.text).type}, not strings"
        raise InvalidInput(message, field="input.text")
    return _items(table, columns, name_of(spec))


def _check_size(table: Any, columns: Columns, source: str) -> None:
    """By what the file says of itself.

    Raises:
        InvalidInput: a row group unpacks to far more than anything that somebody wrote.
    """
    for number in range(table.metadata.num_row_groups):
        group = table.metadata.row_group(number)
        chunks = [group.column(column) for column in range(group.num_columns)]
        chunks = [own for own in chunks if own.path_in_schema.partition(".")[0] in columns.names]
        packed, unpacked = (sum(getattr(own, f"total_{kind}_size") for own in chunks) for kind in _SIZES)
        if is_too_much(unpacked, packed):
            message = f"{source}: row group {number + 1} unpacks to more than {MOST_TIMES} times its size"
            raise InvalidInput(message, field="input.source")


def _holds_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    of_strings = (types.is_string, types.is_large_string, types.is_string_view)
    of_bytes = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(is_kind(kind) for is_kind in (*of_strings, *of_bytes))


def _items(table: Any, columns: Columns, source: str) -> Iterator[Item | BadItem]:
    import pyarrow

    index = 0
    batches = table.iter_batches(_rows_at_once(table.metadata), columns=columns.names, use_threads=False)
    try:
        for batch in batches:
            none = [None] * batch.num_rows
            texts = _values(batch, columns.text)
            expected = none if columns.expected is None else _named(batch, columns.expected)
            identifiers = none if columns.id is None else _named(batch, columns.id)
            for text, right, identifier in zip(texts, expected, identifiers, strict=True):
                yield item_of(index, index + 1, text, right, identifier)
                index += 1
    except (pyarrow.ArrowException, OSError, OverflowError, ValueError) as error:  # such as dates that Python lacks
        raise InvalidInput(f"{source}, after row {index:,}: {error}", field="input.source") from error


def _rows_at_once(metadata: Any) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    longest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=1)
    return max(1, min(_MOST_ROWS, int(_BATCH_BYTES / max(longest, 1))))


def _named(batch: Any, name: str) -> list[Any]:
    return [(name, value) for value in _values(batch, name)]


def _values(batch: Any, name: str) -> list[Any]:
    """Of a column, as Python has them; as bytes if some string is not UTF-8, which Parquet does not prevent."""
    import pyarrow

    column = batch.column(name)
    if isinstance(column, pyarrow.DictionaryArray):
        column = column.dictionary_decode()
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pyarrow.large_binary()).to_pylist()
    return values
